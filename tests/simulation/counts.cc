// Counts: futility is bounded (E0, E2), and what does not work is told (T1). The bounds are
// generous; what breaks them grows without end.
#include <algorithm>

#include "retirement/durations.h"
#include "simulation/world.h"

namespace simulation {
namespace {

constexpr size_t kMostInVain = 16;  // calls, or entries, of an account in two minutes
constexpr size_t kMostInVainPerHour = 80;
constexpr int kMostRefusedPerInstance = 60;
constexpr int kMostRefusedPerLeader = 5;
constexpr size_t kMostWritesPerHour = 60;  // of one status, and for each of its members so many
constexpr size_t kMostWritesPerMember = 15;
constexpr size_t kMostWritesPerLeader = 6;  // who comes to lead finds out anew what is refused
constexpr size_t kMostAccountWritesPerHour = 200;
constexpr size_t kMostEventsPerHour = 60;
constexpr size_t kMostLooksPerHour = 4'000;
constexpr int kFirstRefusedLooks = 10;
constexpr size_t kMostWithoutEffect = 110;  // entries of a lane, with those that a status awaits
constexpr Millis kToldAfter = minutes{1};   // that an account does not work
constexpr Millis kWorksAgain = minutes{15};
constexpr Millis kForgotten = minutes{10};  // a failure, after so long without another one
constexpr Millis kUnexplained = minutes{10};
constexpr Millis kTidies = minutes{4};

/// How many of `times` are later than `from`.
size_t CountSince(const std::deque<Mono>& times, Mono from) {
  return size_t(times.end() - std::upper_bound(times.begin(), times.end(), from));
}

void Add(std::deque<Mono>& times, Mono now) {
  while (!times.empty() && times.front() <= now - hours{1}) times.pop_front();
  times.push_back(now);
}

/// Since when it says that it is ready.
std::optional<Wall> ReadySince(const AccountObject& a) {
  for (const Condition& c : a.status.conditions) {
    if (c.type == "Ready" && c.status == ConditionStatus::kTrue) return c.since;
  }
  return std::nullopt;
}

ConditionStatus ReadyOf(const AccountObject& a, std::string* reason = nullptr) {
  for (const Condition& c : a.status.conditions) {
    if (c.type != "Ready") continue;
    if (reason) *reason = c.reason;
    return c.status;
  }
  return ConditionStatus::kAbsent;
}

bool IsInVain(const BatchObject& b) {
  if (!IsClosed(b.phase)) return false;
  // What was accepted is not called again, even if its operation failed: that is kept.
  const bool accepted = !b.request_id.empty() && b.error_code.empty();
  if (accepted && b.phase == BatchPhase::kVerified) return false;
  return std::none_of(b.members.begin(), b.members.end(), [](const BatchMember& m) {
    return m.result == BatchResult::kRetired || m.result == BatchResult::kRecycled ||
           m.result == BatchResult::kUnknown;
  });
}

}  // namespace

void World::CountCall(const Call& call) {
  Effort& e = efforts_[call.lane.account];
  Add(e.calls, now_);
  ++calls_;
  if (e.last_accepted > now_ - minutes{3}) return;
  if (CountSince(e.calls, now_ - minutes{2}) > kMostInVain) {
    Fail("E0: calls of " + call.lane.account + " that are all in vain");
  }
  if (e.last_accepted <= now_ - hours{1} && e.calls.size() > kMostInVainPerHour) {
    Fail("E0: calls of " + call.lane.account + " that are in vain for an hour");
  }
}

void World::CountEntry(const BatchObject& b) {
  if (vanished_.contains({b.lane, b.sequence})) return;
  Effort& e = efforts_[b.lane.account];
  Add(e.entries, now_);
  if (e.last_accepted > now_ - minutes{3}) return;
  if (CountSince(e.entries, now_ - minutes{2}) > kMostInVain) {
    Fail("E0: entries of " + b.lane.account + " that are all in vain");
  }
  if (e.last_accepted <= now_ - hours{1} && e.entries.size() > kMostInVainPerHour) {
    Fail("E0: entries of " + b.lane.account + " that are in vain for an hour");
  }
}

void World::CountRefused(const std::vector<InstanceId>& ids) {
  for (const InstanceId id : ids) {
    // Who comes to lead does not know how often it was refused before.
    if (++refused_calls_[id] > kMostRefusedPerInstance + kMostRefusedPerLeader * leaders_) {
      Fail("E0: " + id.ToString() + " is refused again and again");
    }
  }
}

void World::CountLook(const Process& p, const Observe& a, const Refusal* refusal) {
  Effort& e = efforts_[a.lane.account];
  Add(e.looks, now_);
  if (!shape_.big && e.looks.size() > kMostLooksPerHour) Fail("E0: looks without end");
  if (refusal == nullptr) {
    e.refused_looks = 0;
    return Fared(a.lane.account, Activity::kLook, "");
  }
  Trace("look of " + p.holder + " refused " + refusal->code);
  if (e.looks_of != p.holder) e.refused_looks = 0;
  e.looks_of = p.holder;
  if (++e.refused_looks == kFirstRefusedLooks) e.tenth_refused = now_;
  const auto allowed = 2 * ((now_ - e.tenth_refused) / minutes{1}) + 6;
  if (e.refused_looks > kFirstRefusedLooks + allowed) {
    Fail("E0: looks of " + a.lane.account + " that are all refused");
  }
  const Trouble* trouble = TroubleOf(a.lane, a.ids, false);
  if ((trouble && trouble->id) || !Serves(p, a.lane.account)) return;
  const std::string& code = refusal->code.empty() ? refusal->message : refusal->code;
  if (IsOfAccount(refusal->fault)) Fared(a.lane.account, Activity::kLook, code);
}

void World::CountWrite(const RequestKey& key) {
  Chatter& c = chatter_[key];
  Add(c.writes, now_);
  const size_t members = requests_.at(key).spec.members.size();
  const size_t leaders = CountSince(led_, now_ - hours{1});
  // What its account has to tell it tells, too.
  const Effort& effort = efforts_[requests_.at(key).spec.account];
  const size_t most = kMostWritesPerHour + kMostWritesPerMember * members + effort.writes.size();
  if (c.writes.size() > most + kMostWritesPerLeader * leaders) {
    Fail("E2: status writes of " + key.name);
  }
  if (c.events.size() > kMostEventsPerHour) Fail("E2: events of " + key.name);
}

/// Whether it says with which code it is refused, if that is why it is not ready.
bool World::NamesACode(const std::string& account, const AccountObject& a) {
  for (const Condition& c : a.status.conditions) {
    if (c.type != "Ready" || c.status != ConditionStatus::kFalse) continue;
    if (c.reason.empty() || c.message.empty()) return false;
    if (c.reason != "BreakerOpen" && c.reason != "CredentialsRejected") return true;
    // The last call has no code to be named.
    if (c.message.find("no clear answer") != std::string::npos) return true;
    if (c.message.find("not sent") != std::string::npos) return true;
    for (const std::string& code : efforts_[account].refused_with) {
      if (c.message.find(code) != std::string::npos) return true;
    }
    for (const auto& [activity, f] : efforts_[account].fortunes) {
      for (const auto& [code, since] : f.codes) {
        if (c.message.find(code) != std::string::npos) return true;
      }
    }
    return false;
  }
  return true;
}

/// Who looks on behalf of an entry of his own need not tell anything of the account.
bool World::Serves(const Process& p, const std::string& account) const {
  const auto found = accounts_.find(account);
  return found != accounts_.end() && found->second.status.installation == p.installation;
}

/// An activity of an account succeeds, or fails with a code: while it fails the account says so.
void World::Fared(const std::string& account, Activity activity, const std::string& code) {
  Fortune& f = efforts_[account].fortunes[activity];
  if (code.empty()) {
    if (f.failures > 0 || f.success_since == Mono{}) f.success_since = now_;
    f.failures = 0;
    f.codes.clear();
    f.last_success = now_;
    return;
  }
  if (now_ - f.last_failure > kForgotten) f.failures = 0;
  // Who has come to serve it has to see it fail himself.
  const auto served = accounts_.find(account);
  for (const auto& p : processes_) {
    if (served == accounts_.end() || !p->engine) continue;
    const bool serves = p->installation == served->second.status.installation;
    if (serves && p->led_since > f.failing_since) f.failures = 0;
  }
  if (f.failures == 0) f.codes.clear();
  f.codes.try_emplace(code, now_);
  // One or two failures prove nothing, however long ago they were.
  if (++f.failures <= 3) f.failing_since = now_;
  f.last_failure = now_;
  const auto found = accounts_.find(account);
  if (found == accounts_.end() || f.failures < 3) return;
  bool told = true;  // somebody has served it all the time, and has seen what it wrote
  for (const auto& p : processes_) {
    if (!p->engine || p->installation != found->second.status.installation) continue;
    const bool lags = p->lag_until[Kind::kAccount] > f.failing_since || SlackOf(*p) > Millis{0} ||
                      p->listing.contains(Kind::kAccount);
    const Millis patience = lags ? 3 * kToldAfter : kToldAfter;
    const Mono able = std::max({f.failing_since, p->led_since, p->frozen_until});
    told = told && now_ - able <= patience;
  }
  // What it has just said may be about something else that has ended since.
  const auto& writes = efforts_[account].writes;
  if (told || (!writes.empty() && now_ - writes.back() <= kToldAfter)) return;
  if (ReadyOf(found->second) == ConditionStatus::kTrue) {
    Fail("T1: " + account + " is told to be ready although nothing works (" + code + ")");
  }
  const bool lasts = now_ - f.codes.at(code) > kToldAfter;
  if (lasts && code.find(' ') == std::string::npos && !NamesACode(account, found->second)) {
    Fail("T1: " + account + " does not say why (" + code + ")");
  }
}

/// Who edits an account, or its Secret, may expect it to be tried at once.
void World::UsersAsk(const std::string& account) {
  Effort& e = efforts_[account];
  e.calls.clear();
  e.entries.clear();
  e.writes.clear();
  e.refused_looks = 0;
  e.fortunes.clear();
  e.fortunes_since = now_;
  chatter_.clear();
}

void World::Inspect() {
  At(nullptr, minutes{1}, [this] { Inspect(); });
  for (const auto& [key, r] : requests_) InspectRequest(r);
  for (const auto& [name, account] : accounts_) InspectAccount(account);
  InspectLog();
  if (!faults_on_ && Healed()) healed_ = true;
}

/// Whoever serves an account has done so for so long without a pause.
bool World::IsServed(const AccountObject& a, Millis for_so_long) const {
  return std::any_of(processes_.begin(), processes_.end(), [&](const auto& p) {
    return p->engine && p->installation == a.status.installation && now_ >= p->frozen_until &&
           SlackOf(*p) == Millis{0} && now_ - p->led_since >= for_so_long && !p->stopping;
  });
}

/// T1: a member that is not final and not simply queued has a reason.
void World::InspectRequest(const RequestObject& r) {
  const bool may = IsLetIn(r) && !r.deleting && !r.spec.suspend && r.hold.empty() &&
                   r.spec.mode == Mode::kExecute && r.status.observed_generation == r.generation &&
                   (!r.spec.not_before || *r.spec.not_before < TrueTime() - kUnexplained);
  if (!may || shape_.big || shape_.crowded) return;
  const AccountObject& a = accounts_.at(r.spec.account);
  const Spans& open = open_accounts_[a.name];
  if (open.empty() || open.back().until != base::kNever) return;
  if (open.back().since > now_ - kUnexplained || !IsServed(a, kUnexplained)) return;
  // Clocks that differ let it wait for longer; the account, or the request, says so.
  const bool clocks_differ = clocks_jumped_ || date_behind_until_ != Mono{};
  if (clocks_jumped_ && r.spec.grace > Millis{0}) return;
  if (clocks_differ && r.spec.expires_at && *r.spec.expires_at < TrueTime() + minutes{10}) return;
  const auto ready = ReadySince(a);
  if (!ready || *ready > TrueTime() - kUnexplained || edited_at_[r.key] > now_ - kUnexplained)
    return;
  if (efforts_[a.name].fortunes_since > now_ - kUnexplained) return;
  for (const MemberStatus& m : r.status.members) {
    if (IsFinal(m.state) || m.reason != Reason::kNone) continue;
    if (m.state != MemberState::kPending && m.state != MemberState::kWaiting) continue;
    const auto shown = shown_.find({r.key, m.id});
    if (shown == shown_.end() || shown->second.since > now_ - kUnexplained) continue;
    Trace(Explain(m));
    Fail("T1: " + m.id.ToString() + " of " + r.key.name + " is " + ToString(m.state) +
         " without a reason");
  }
}

/// T1: an account that works again says so.
void World::InspectAccount(const AccountObject& a) {
  Effort& e = efforts_[a.name];
  while (!e.writes.empty() && e.writes.front() <= now_ - hours{1}) e.writes.pop_front();
  const size_t leaders = CountSince(led_, now_ - hours{1});
  if (e.writes.size() > kMostAccountWritesPerHour + kMostWritesPerLeader * leaders)
    Fail("E2: status writes of " + a.name);
  std::string reason;
  if (ReadyOf(a, &reason) != ConditionStatus::kFalse || !IsServed(a, kWorksAgain)) return;
  if (reason != "BreakerOpen" && !reason.ends_with("Failed") && reason != "CredentialsRejected") {
    return;
  }
  if (e.fortunes.empty() || e.fortunes_since > now_ - kWorksAgain) return;
  for (const auto& [activity, f] : e.fortunes) {
    if (f.failures > 0 || f.success_since > now_ - kWorksAgain) return;
  }
  const auto call = e.fortunes.find(Activity::kCall);
  if (call == e.fortunes.end() || call->second.success_since == Mono{}) return;
  // Of a call that was not sent, or whose answer was lost, nobody knows that it worked; be it that
  // another one worked while its answer was awaited.
  if (e.last_called > call->second.last_success) return;
  // Who has come to serve it has to see it work himself.
  for (const auto& p : processes_) {
    if (p->engine && Serves(*p, a.name) && p->led_since > call->second.success_since) return;
  }
  if (e.last_refused > now_ - kWorksAgain || e.last_refused > e.last_accepted) return;
  if (!e.refused_in.empty()) return;  // what one region takes proves nothing about another
  Fail("T1: " + a.name + " works and is told not to be ready: " + reason);
}

/// E0: entries without effect are few, or young. Who has not led for long keeps even those that are
/// too many.
void World::InspectLog() {
  const bool led = std::any_of(processes_.begin(), processes_.end(), [this](const auto& p) {
    return p->engine && now_ - std::max(p->led_since, p->frozen_until) >= kTidies;
  });
  if (!led) return;
  std::map<Lane, size_t> in_vain;
  for (const auto& [key, entry] : batches_) {
    if (entry.closed_at > now_ - minutes{10} || !IsInVain(entry.object)) continue;
    if (++in_vain[key.first] > kMostWithoutEffect) Fail("E0: entries without effect are kept");
  }
}

}  // namespace simulation
