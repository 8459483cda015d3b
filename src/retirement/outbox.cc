#include "retirement/outbox.h"

#include <algorithm>

#include "retirement/accounts.h"
#include "retirement/members.h"
#include "retirement/registry.h"
#include "retirement/status.h"

namespace retirement {
namespace {

// Of the requests in flight to the kube-apiserver, Commit and Record keep four for themselves.
constexpr size_t kSlots = 12;
constexpr Millis kAged = seconds{30};
constexpr Millis kRetryWrite = seconds{1};
constexpr int kMostDoublings = 8;  // of it: about four minutes
// E2: 200 at once, then at most 20 a second.
constexpr int kAccountWideBurst = 200;
constexpr Millis kAccountWideInterval{50};

/// E4: what came up at about the same time is written, or found to be written, in one step.
Mono Bundled(Mono due) {
  constexpr Millis kGrid{50};
  return due + (kGrid - due.time_since_epoch() % kGrid) % kGrid;
}

Mono DueAt(const Request& r, Urgency urgency, Now now) {
  switch (urgency) {
    case Urgency::kNow:
      return now.mono;
    case Urgency::kQuiet:
      return Bundled(now.mono + kStatusQuiet);
    case Urgency::kProgress:
      return Bundled(std::max(now.mono, r.last_write) + kStatusProgress);
    case Urgency::kAccountWide:
      return now.mono + kAccountWideQuiet;
  }
  __builtin_unreachable();
}

auto& QueueOf(State& state, const Request& r) {
  return r.due_is_final ? state.outbox_final : state.outbox_other;
}

void Schedule(State& state, Request& r, Mono due, bool is_final) {
  if (r.due != base::kNever) QueueOf(state, r).erase({r.due, r.key});
  r.due = due;
  r.due_is_final = is_final;
  if (due != base::kNever) QueueOf(state, r).emplace(std::pair(due, r.key), &r);
}

/// Anything older than 30 s goes ahead of final states, those ahead of the rest.
Request* NextDue(State& state, Now now) {
  const auto due = [&](auto& queue, Millis age) -> Request* {
    if (queue.empty() || queue.begin()->first.first + age > now.mono) return nullptr;
    return queue.begin()->second;
  };
  if (Request* aged = due(state.outbox_other, kAged)) return aged;
  if (Request* final_state = due(state.outbox_final, Millis{0})) return final_state;
  return due(state.outbox_other, Millis{0});
}

/// The start of a grace period is in the cluster: from now on it counts.
void OnRecordedAcceptance(State& state, Request& r, Now now) {
  if (!r.accepted || r.accepted_written || r.accepted != r.accepted_told) return;
  r.accepted_written = true;
  Refresh(state, r, now);
}

/// One event when a request has come to its end, rationed overall; never twice the same (E2).
void AnnounceEnd(State& state, Request& r, const RequestStatus& status, Now now) {
  if (!AllFinal(r) || !r.IsAccepted()) return;
  const Condition* ready = ReadyOf(status);
  if (ready == nullptr || r.announced == PrintOf(*ready)) return;
  if (!state.announcements.TryTake(now.mono)) return;
  r.announced = PrintOf(*ready);
  const bool good = ready->status == ConditionStatus::kTrue;
  state.Do(Announce{Announce::About::kRequest, r.key, r.uid, !good, ready->reason, ready->message});
}

void Write(State& state, Request& r, Now now) {
  Schedule(state, r, base::kNever, false);
  const Account* account = state.FindAccount(r.spec.account);
  r.withheld = account != nullptr && account->exists && IsForeign(state, *account);
  if (r.withheld) return;
  RequestStatus status = Render(state, r, now);
  r.accepted_told = r.accepted;
  const uint64_t fingerprint = FingerprintOf(status);
  if (fingerprint == r.observed_fingerprint) return OnRecordedAcceptance(state, r, now);
  r.observed_fingerprint = fingerprint;
  r.observed_generation = status.observed_generation;
  Remember(r, status);
  r.writing = true;
  r.last_write = now.mono;
  ++state.status_in_flight;
  AnnounceEnd(state, r, status, now);
  state.Do(WriteStatus{r.key, r.version, std::move(status)});
}

}  // namespace

void Touch(State& state, Request& r, Urgency urgency, Now now) {
  Mono due = DueAt(r, urgency, now);
  if (urgency == Urgency::kAccountWide) {
    if (r.due <= due) return;
    const Mono burst = now.mono - kAccountWideBurst * kAccountWideInterval;
    state.account_wide_next = std::max(state.account_wide_next, burst) + kAccountWideInterval;
    due = std::max(due, state.account_wide_next);
  }
  const bool is_final = AllFinal(r) && r.IsAccepted();
  if (r.due != base::kNever && r.due <= due && r.due_is_final == is_final) return;
  Schedule(state, r, std::min(r.due, due), is_final);
}

void Forget(State& state, Request& r) { Schedule(state, r, base::kNever, false); }

void Flush(State& state, Now now) {
  if (!state.Leading(now) || !state.Synced()) return;
  // S0: of those that have nothing to say no step looks at more.
  constexpr size_t kMostMembers = 1'000;
  for (size_t members = 0; members < kMostMembers && state.status_in_flight < kSlots;) {
    Request* r = NextDue(state, now);
    if (r == nullptr) return;
    if (r->writing) {
      // Its end brings it back.
      Schedule(state, *r, now.mono + kStatusProgress, r->due_is_final);
      continue;
    }
    members += 1 + r->members.size();
    Write(state, *r, now);
  }
}

void OnStatusWritten(State& state, const StatusWritten& event, Now now) {
  if (state.status_in_flight > 0) --state.status_in_flight;
  Request* r = state.FindRequest(event.key);
  if (event.written) {
    state.view.OnOwnWrite(state.view.StreamOf(Kind::kRequest, event.key.ns), event.version,
                          event.sent);
  }
  if (r == nullptr) return;
  r->writing = false;
  if (event.written) {
    r->failed_writes = 0;
    if (VersionNumber(event.version) > VersionNumber(r->version)) r->version = event.version;
    return OnRecordedAcceptance(state, *r, now);
  }
  r->observed_fingerprint = 0;
  r->conflicted = event.conflict;
  const Millis wait = event.conflict
                          ? Millis{kStatusProgress}
                          : kRetryWrite * (1 << std::min<int>(r->failed_writes, kMostDoublings));
  if (!event.conflict && r->failed_writes < 100) ++r->failed_writes;
  if (event.invalid) r->failed_writes = 100;
  Schedule(state, *r, now.mono + wait, AllFinal(*r) && r->IsAccepted());
}

Mono NextWrite(const State& state) {
  if (state.status_in_flight >= kSlots) return base::kNever;
  Mono next = base::kNever;
  if (!state.outbox_final.empty()) next = state.outbox_final.begin()->first.first;
  if (!state.outbox_other.empty()) {
    next = std::min(next, state.outbox_other.begin()->first.first);
  }
  return next;
}

}  // namespace retirement
