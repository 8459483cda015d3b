// Verdicts: every status that is written, and the end: that all is final is not enough, it must be
// the right end.
#include <algorithm>

#include "retirement/durations.h"
#include "simulation/world.h"

namespace simulation {
namespace {

// So long nothing about the account may have changed before an absence is called a lie.
constexpr Millis kSteady = minutes{15};
constexpr Millis kFirstVerdict = minutes{3};  // after everything was put right

const MemberStatus* MemberIn(const RequestStatus& status, InstanceId id) {
  for (const MemberStatus& m : status.members) {
    if (m.id == id) return &m;
  }
  return nullptr;
}

}  // namespace

void World::JudgeStatus(const Process& p, const RequestObject& before, const RequestObject& after) {
  if (!IsLetIn(after)) return;  // what a guest forged is his own
  for (const MemberStatus& m : after.status.members) {
    const std::string id = m.id.ToString();
    const MemberStatus* old = MemberIn(before.status, m.id);
    const bool same = old && old->state == m.state && old->reason == m.reason;
    if (Follows(m.id)) {
      Trace("  " + after.key.name + " says: " + ToString(m.state) + " " + ToString(m.reason) +
            ", batch " + std::to_string(m.batch) + " " + std::string(m.message_view()));
    }
    if (same) continue;
    shown_[{after.key, m.id}] = {m.state, m.reason, now_};
    const simulator::Instance* i = cloud_.Find(id, now_);
    const bool retired = m.state == MemberState::kRetired;
    // Whose guest stood still takes two absences far apart for a row.
    // Who asks to look again although the account tells that its answers are suspicious decides.
    const auto empty = empty_since_.find({after.spec.account, after.spec.region});
    const bool decided = empty != empty_since_.end() && asked_at_[m.id] > empty->second;
    if (retired && (decided || SlackOf(p) > Millis{0})) missed_.insert(m.id);
    if (retired && i && !i->gone && !touched_.contains(m.id) && !missed_.contains(m.id)) {
      Fail("S8: " + id + " lives, was never called, and is told to be retired");
    }
    if (m.reason == Reason::kNeverObserved && IsKnownHere(p, after, m.id)) {
      Fail("S8: " + id + " was seen, and is told to be never observed");
    }
    if (m.reason == Reason::kAmbiguous && !committed_.contains(m.id)) {
      Fail("S0: " + id + " waits for a call that never was");
    }
  }
}

/// Seen by this process under the present key, or under another one of the same account of which it
/// could know that: somebody who is alive was seen under both.
bool World::IsKnownHere(const Process& p, const RequestObject& r, InstanceId id) const {
  const auto account = accounts_.find(r.spec.account);
  const auto home = at_home_.find(r.spec.account);
  const auto effort = efforts_.find(r.spec.account);
  if (account == accounts_.end() || home == at_home_.end() || home->second.empty()) return false;
  const Span& span = home->second.back();
  if (span.until != base::kNever || span.since > now_ - kSteady) return false;
  if (effort != efforts_.end() && effort->second.fortunes_since > now_ - kSteady) return false;
  const std::string& key = secrets_.at(account->second.spec.secret_name);
  const std::string& other = key == kOurKey ? kOurOtherKey : kOurKey;
  const Lane lane{r.spec.account, r.spec.region};
  const auto edited = edited_at_.find(r.key);
  const Mono asked_for = edited == edited_at_.end() ? Mono{} : edited->second;
  const auto saw = [&](const std::string& as, InstanceId which) {
    const auto found = sights_.find({lane, kHome, as, which});
    return found != sights_.end() && found->second.holder == p.holder &&
           found->second.at > std::max(now_ - kSteady, asked_for);
  };
  if (saw(key, id)) return true;
  return saw(other, id) && std::any_of(ids_.begin(), ids_.end(), [&](InstanceId witness) {
           return saw(key, witness) && saw(other, witness);
         });
}

std::string World::WrongEnd(const RequestObject& r, const MemberStatus& m) {
  const std::string id = m.id.ToString();
  const simulator::Instance* i = cloud_.Find(id, now_);
  const bool gone = i == nullptr || i->gone;
  const std::string says =
      id + " of " + r.key.name + " is " + ToString(m.state) + " " + ToString(m.reason);
  if (!IsFinal(m.state)) return "L1: " + says;
  if (m.state == MemberState::kRetired) {
    if (i == nullptr || i->region != r.spec.region) return "S8: never was: " + says;
    if (!gone && !missed_.contains(m.id)) return "S8: not retired: " + says;
  }
  if (m.state == MemberState::kRecycled && !gone && i->state != "SHUTDOWN" &&
      !restored_.contains(m.id)) {
    return "S8: not recycled: " + says;
  }
  if (closed_by_hand_.contains(m.id) || IsCancelled(r, m.id)) return "";
  if (m.state == MemberState::kBlocked) return WrongBlock(r, m).empty() ? "" : "L1: " + says;
  if (m.state == MemberState::kFailed) return WrongFailure(r, m).empty() ? "" : "L1: " + says;
  return "";
}

/// Blocked is the end only while what blocks is there.
std::string World::WrongBlock(const RequestObject& r, const MemberStatus& m) {
  const simulator::Instance* i = cloud_.Find(m.id.ToString(), now_);
  if (i == nullptr || i->gone) return "gone";
  if (m.reason == Reason::kInstanceProtected && i->protected_from_termination) return "";
  const bool called = touched_.contains(m.id) || orphans_.contains(m.id);
  if (m.reason == Reason::kVerifyDeadlineExceeded && called) return "";
  for (const MemberSpec& s : r.spec.members) {
    if (m.reason != Reason::kExpectMismatch || s.id != m.id || !s.expect) continue;
    const bool name = s.expect->name.empty() || s.expect->name == i->name;
    const bool ip = s.expect->private_ip.empty() || s.expect->private_ip == i->private_ip;
    if (!name || !ip) return "";
  }
  // It stays so until a person asks, even when the other intent has gone: or who wants it destroyed
  // would be served because who wants it recycled is done.
  return m.reason == Reason::kDuplicateRequest ? "" : "nothing blocks it";
}

/// Failed is for what nobody can mend.
std::string World::WrongFailure(const RequestObject& r, const MemberStatus& m) {
  const simulator::Instance* i = cloud_.Find(m.id.ToString(), now_);
  switch (m.reason) {
    case Reason::kNotReturnable:
    case Reason::kRejectedByApi:
      if (refused_.contains(m.id) || (i && i->state == "LAUNCH_FAILED")) return "";
      return "it was never refused";
    case Reason::kNeverObserved:
      return "";  // judged when it was told
    case Reason::kChargeTypeRefused:
      if (r.spec.intent.prepaid == PrepaidPolicy::kRefuse) return "";
      if (r.spec.intent.postpaid == PostpaidPolicy::kRefuse) return "";
      return used_get_ ? "" : "nothing refuses its charge type";
    case Reason::kResurrected:
      if (shape_.slow) return "";  // it was shown for longer than the cloud may
      if (i == nullptr || (i->gone && !meddled_at_.contains(m.id))) return "gone for good";
      return missed_.contains(m.id) || restored_.contains(m.id) ? "" : "it never was retired";
    default:
      return "no reason to fail";
  }
}

std::string World::WrongAccount(const AccountObject& a) {
  if (a.status.observed_generation != a.generation) return "L1: no status of " + a.name;
  const Effort& effort = efforts_[a.name];
  // Nobody could find out that it works again?
  if (effort.last_refused > effort.last_accepted || !effort.refused_in.empty()) return "";
  for (const auto& [activity, fortune] : effort.fortunes) {
    if (fortune.failures > 0) return "";
  }
  for (const Condition& c : a.status.conditions) {
    if (c.type == "Ready" && c.status == ConditionStatus::kTrue) return "";
  }
  return "T1: " + a.name + " is not ready although nothing is wrong";
}

/// What is not as it must be at the end; "" for nothing.
std::string World::Unhealed() {
  for (const auto& [key, entry] : batches_) {
    if (!IsClosed(entry.object.phase)) {
      return "L1: " + BatchName(key.first, key.second) + " is open";
    }
  }
  for (const auto& [key, r] : requests_) {
    if (!IsLetIn(r)) continue;
    if (r.status.observed_generation != r.generation) return "L1: no status of " + key.name;
    for (const MemberStatus& m : r.status.members) {
      const std::string wrong = WrongEnd(r, m);
      if (!wrong.empty()) return wrong;
    }
  }
  for (const auto& [name, account] : accounts_) {
    const std::string wrong = WrongAccount(account);
    if (!wrong.empty()) return wrong;
  }
  return "";
}

bool World::Healed() { return now_ > quiet_ + kFirstVerdict && Unhealed().empty(); }

void World::JudgeEnd() {
  JudgeNumberOfCalls();
  const std::string wrong = Unhealed();
  if (wrong.empty()) return;
  for (const auto& [key, r] : requests_) {
    for (const MemberStatus& m : r.status.members) {
      if (wrong.find(m.id.ToString()) == std::string::npos) continue;
      Trace(key.ToString() + " says " + ToString(m.state) + " " + ToString(m.reason) + " " +
            std::string(m.message_view()) + ", wants " + ToString(r.spec.intent.prepaid) + "/" +
            ToString(r.spec.intent.postpaid) + (r.spec.intent.release_address ? " address" : "") +
            (r.spec.intent.release_disks ? " disks" : "") + " in " + r.spec.account + "/" +
            r.spec.region + (r.spec.mode == Mode::kDryRun ? " (dry)" : ""));
      if (wrong.find(key.name) != std::string::npos) Trace(Explain(m));
    }
  }
  for (const auto& [key, entry] : batches_) {
    if (!IsClosed(entry.object.phase)) ExplainEntry(entry.object);
  }
  for (const auto& p : processes_) {
    if (!p->engine) continue;
    for (const auto& [name, a] : p->engine->state().accounts) {
      for (const auto& [key, t] : a.troubles) {
        Trace(p->holder + " " + name + " has trouble " + t.told_reason + " in '" + key.second +
              "' " + t.message);
      }
      if (a.object.status.installation == p->installation) {
        Trace(p->holder + " " + name + " not ready " + a.not_ready.reason + " due " +
              std::to_string((a.due - ClockOf(*p)).count()) + (a.writing ? " writing" : ""));
      }
    }
    for (const auto& [key, r] : p->engine->state().requests) {
      if (wrong.find(key.name) == std::string::npos) continue;
      Trace(p->holder + " has " + key.name + " v" + r->version + " generation " +
            std::to_string(r->generation) + " due " +
            std::to_string((r->due - ClockOf(*p)).count()) + (r->writing ? " writing" : "") +
            (r->swept ? " swept" : "") + (r->queued ? " queued" : "") + " failed writes " +
            std::to_string(r->failed_writes));
    }
  }
  Fail(wrong);
}

void World::ExplainEntry(const BatchObject& b) {
  Trace(BatchName(b.lane, b.sequence) + " " + ToString(b.phase) + " " + ToString(b.step) + " " +
        std::string(b.charge.view()) + " " + b.error_code + " request " + b.request_id);
  for (const auto& p : processes_) {
    if (!p->engine) continue;
    const State& state = p->engine->state();
    const auto lane = state.lanes.find(b.lane);
    if (lane == state.lanes.end()) continue;
    const Ledger& ledger = lane->second.ledger;
    const auto open = ledger.open.find(b.sequence);
    if (open == ledger.open.end()) {
      Trace("  " + p->holder +
            (ledger.closed.contains(b.sequence) ? " has it closed" : " has not"));
      continue;
    }
    const Entry& e = open->second;
    Trace("  " + p->holder + " stage " + std::to_string(int(e.stage)) + (e.dirty ? " dirty" : "") +
          (e.recording ? " recording" : "") + " targets " + std::to_string(e.targets.size()) +
          " v" + e.object.version + " stored v" + b.version);
  }
  for (const BatchMember& m : b.members) {
    MemberStatus status;
    status.id = m.id;
    const simulator::Instance* i = cloud_.Find(m.id.ToString(), now_);
    Trace(std::string("  ") + ToString(m.result) + " " + (i ? i->state : "never was") +
          (i && i->gone ? " gone" : "") + (i ? " " + i->operation + " " + i->operation_state : "") +
          " " + (i ? i->operation_request : "") + " " + Explain(status));
    for (const auto& [key, r] : requests_) {
      for (const MemberStatus& s : r.status.members) {
        if (s.id != m.id) continue;
        Trace("    " + key.ToString() + " says " + ToString(s.state) + " " + ToString(s.reason) +
              " " + std::string(s.message_view()));
      }
    }
  }
}

/// E1, where nothing goes wrong: a batch for each key of each request, as all come one by one and
/// what is to be destroyed comes into the bin at its own time, and the search for offenders.
void World::JudgeNumberOfCalls() {
  if (shape_.faults > 0) return;
  const size_t hundreds = 1 + ids_.size() / 100;
  const size_t keys = requests_.size() * 6 * hundreds;
  if (calls_ > keys + 15 * refused_.size()) Fail("E1: " + std::to_string(calls_) + " calls");
}

std::string World::Explain(const MemberStatus& m) const {
  std::string text = "instance " + m.id.ToString() + ":";
  for (const auto& p : processes_) {
    if (!p->engine) continue;
    const State& state = p->engine->state();
    const auto found = state.targets.find(m.id);
    if (found == state.targets.end()) continue;
    const Target& t = found->second;
    const auto in = [&](Mono time) { return std::to_string((time - ClockOf(*p)).count()); };
    text += " place " + std::to_string(int(t.place)) + " looking " + std::to_string(t.looking) +
            " batch " + std::to_string(t.batch) + " observed " + std::to_string(t.observed) +
            " present " + std::to_string(t.present) + " state " + t.sight.state + " owner " +
            (t.owner ? t.owner->key.name : "none") + " due " + in(t.due) + " seen " +
            in(t.seen_at) + " settle " + in(t.settle_until) + " not before " + in(t.not_before) +
            (t.crowd ? " crowd " + std::to_string(t.crowd->waiting.size()) + " best " +
                           std::to_string(t.crowd->waiting.begin()->first.rank) + " " +
                           t.crowd->waiting.begin()->first.request->key.name
                     : "");
    for (const Claim& c : t.claims) {
      const retirement::Request& r = *c.request;
      text += "; " + r.key.name + (r.Executes() ? " " : " (dry) ") + r.spec.account + " " +
              r.spec.region + " " + ToString(r.members[c.member].state) + " " +
              r.not_accepted.reason + " " + r.not_permitted.reason + " hold " + r.hold;
    }
  }
  return text;
}

}  // namespace simulation
