// The observer: knows the truth of the models and judges every call, every execution and the end.
#include <algorithm>

#include "retirement/durations.h"
#include "simulation/world.h"

namespace simulation {
namespace {

// A request that nobody of a batch names is known by the watch only, however late it is.
constexpr Millis kLongestLag{30'000};

bool WasOpen(const auto& spans, Mono from) {
  return std::any_of(spans.begin(), spans.end(), [&](const auto& s) { return s.until > from; });
}

bool WasOpenThroughout(const auto& spans, Mono from) {
  return !spans.empty() && spans.back().since <= from && spans.back().until == base::kNever;
}

}  // namespace

void World::Mark(Spans& spans, bool so) const {
  const bool open = !spans.empty() && spans.back().until == base::kNever;
  if (so && !open) spans.push_back({now_, base::kNever});
  if (!so && open) spans.back().until = now_;
}

/// What has expired wants nothing any more.
bool World::IsCancelled(const RequestObject& r, InstanceId id) const {
  if (r.spec.expires_at && *r.spec.expires_at <= TrueTime()) return true;
  return std::any_of(r.status.members.begin(), r.status.members.end(), [&](const MemberStatus& m) {
    return m.id == id && m.state == MemberState::kCancelled;
  });
}

/// Views of two kinds may be of different age, so each is judged by itself.
void World::UpdateTruth() {
  for (const auto& [name, account] : accounts_) {
    Mark(open_accounts_[name], account.spec.mode == Mode::kExecute && !account.spec.paused);
  }
  std::set<std::pair<Lane, InstanceId>> wanted;
  std::set<InstanceId> milder;
  for (const auto& [key, r] : requests_) {
    const bool executes = r.spec.mode == Mode::kExecute;
    const bool recycle = executes && r.spec.intent.prepaid == PrepaidPolicy::kRecycle;
    const bool may = executes && !r.spec.suspend && r.hold.empty();
    for (const MemberSpec& m : r.spec.members) {
      if (may) wanted.insert({{r.spec.account, r.spec.region}, m.id});
      if (recycle && !IsCancelled(r, m.id)) milder.insert(m.id);
      if (r.spec.intent.prepaid == PrepaidPolicy::kDestroy) destroy_wanted_[m.id] = true;
    }
  }
  for (const auto& wish : wanted) wishes_[wish];
  for (auto& [wish, spans] : wishes_) Mark(spans, wanted.contains(wish));
  for (const InstanceId id : ids_) Mark(milder_[id], milder.contains(id));
}

/// Also one that was deleted by hand: it was committed.
const World::Entry* World::EntryOf(const Lane& lane, uint64_t sequence) const {
  if (const auto e = batches_.find({lane, sequence}); e != batches_.end()) return &e->second;
  if (const auto e = vanished_.find({lane, sequence}); e != vanished_.end()) return &e->second;
  return nullptr;
}

void World::JudgeCall(const Call& call) {
  UpdateTruth();  // time alone ends what expires
  if (call.ids.empty() || call.ids.size() > 100) Fail("S1: number of ids");
  if (std::set<InstanceId>(call.ids.begin(), call.ids.end()).size() != call.ids.size()) {
    Fail("S1: an id twice");
  }
  const Entry* found = EntryOf(call.lane, call.sequence);
  if (found == nullptr) return Fail("S3: a call without a committed entry");
  const BatchObject& entry = found->object;
  if (entry.phase != BatchPhase::kIntent) Fail("S3: a call for an entry that has ended");
  if (entry.signed_at != call.signed_at) Fail("S7: signed at another time than was committed");
  for (const InstanceId id : call.ids) {
    const std::string text = id.ToString();
    const bool named = std::any_of(entry.members.begin(), entry.members.end(),
                                   [&](const BatchMember& m) { return m.id == id; });
    if (!named) Fail("S3: " + text + " is not in its entry");
    if (!sights_.contains({call.lane, call.credential, id})) {
      Fail("S8: " + text + " was never seen where it is called");
    }
    if (entry.step == Step::kSecond && WasOpenThroughout(milder_[id], now_ - kLongestLag)) {
      Fail("S5: a live request wants " + text + " in the bin");
    }
    if (!WasOpen(wishes_[{call.lane, id}], now_ - kMaxViewAge))
      Fail("S6: " + text + " is not wanted");
  }
  if (!WasOpen(open_accounts_[call.lane.account], now_ - kMaxViewAge)) {
    Fail("S10: the account does not execute");
  }
}

/// What holds when the first byte leaves.
void World::JudgeSend(const Process& p, const Call& call) {
  if (now_ >= p.lead_until) Fail("S7: a call outside the lease's validity");
  for (const InstanceId id : call.ids) {
    const simulator::Instance* instance = cloud_.Find(id.ToString(), now_);
    const bool prepaid = instance != nullptr && instance->charge == kPrepaid;
    if (looked_at_[id] < judged_at_[id]) Fail("S4: " + id.ToString() + " was not observed since");
    if (now_ - looked_at_[id] > (prepaid ? kPrepaidSightAge : kSightAge)) {
      Fail("S9: the sight of " + id.ToString() + " is too old");
    }
  }
}

/// What holds when the service accepts it.
void World::JudgeArrival(const Call& call, uint64_t entry) {
  const Millis age = now_ - created_[entry];
  const Entry* found = EntryOf(call.lane, call.sequence);
  const Millis validity = found == nullptr ? kSignatureAge : found->object.call_validity;
  if (age > validity + kClockError) Fail("S7: a call accepted after its validity");
}

void World::JudgeExecution(const simulator::Execution& e) {
  if (!e.code.empty()) return;
  std::set<std::string> charges;
  for (size_t i = 0; i < e.ids.size(); ++i) {
    const InstanceId id = *InstanceId::Parse(e.ids[i]);
    const simulator::Instance* instance = cloud_.Find(e.ids[i], e.at);
    charges.insert(instance->charge);
    if (instance->charge != kPrepaid) {
      if (++accepted_calls_[id] > 1) Fail("S5: second accepted call for " + e.ids[i]);
    } else if (!e.was_in_bin[i]) {
      accepted_calls_[id] = 1;
    } else if (!destroy_wanted_[id]) {
      Fail("S5: " + e.ids[i] + " was to be recycled and is destroyed");
    } else if (++accepted_calls_[id] > 2) {
      Fail("S5: third accepted call for " + e.ids[i]);
    }
  }
  if (charges.size() > 1) Fail("S2: mixed charge types");
}

bool World::AllFinal() const {
  return std::all_of(requests_.begin(), requests_.end(), [](const auto& entry) {
    const RequestObject& r = entry.second;
    return r.status.observed_generation == r.generation &&
           std::all_of(r.status.members.begin(), r.status.members.end(),
                       [](const MemberStatus& m) { return IsFinal(m.state); });
  });
}

bool World::LogIsClosed() const {
  return std::all_of(batches_.begin(), batches_.end(),
                     [](const auto& entry) { return IsClosed(entry.second.object.phase); });
}

/// L1, and the status tells the truth about the cloud.
void World::JudgeEnd() {
  for (const auto& [key, entry] : batches_) {
    if (!IsClosed(entry.object.phase)) Fail("L1: " + BatchName(key.first, key.second) + " is open");
  }
  for (const auto& [key, r] : requests_) {
    if (r.status.observed_generation != r.generation) return Fail("L1: no status of " + key.name);
    for (const MemberStatus& m : r.status.members) JudgeMember(r, m);
  }
}

void World::JudgeMember(const RequestObject& r, const MemberStatus& m) {
  const std::string id = m.id.ToString();
  const simulator::Instance* instance = cloud_.Find(id, now_);
  const bool gone = instance == nullptr || instance->gone;
  if (!IsFinal(m.state)) {
    Trace(Explain(m));
    return Fail("L1: " + id + " of " + r.key.name + " stays " + ToString(m.state) + " " +
                ToString(m.reason));
  }
  if (m.reason == Reason::kResurrected && gone) Fail("S8: " + id + " is gone for good");
  if (m.state == MemberState::kRetired && !gone) Fail("S8: " + id + " is not retired");
  if (m.state == MemberState::kRetired && instance == nullptr) Fail("S8: never was: " + id);
  if (m.state == MemberState::kRetired && instance && instance->region != r.spec.region) {
    Fail("S8: " + id + " never was in " + r.spec.region);
  }
  if (m.state == MemberState::kRecycled && !gone && instance->state != "SHUTDOWN") {
    Fail("S8: " + id + " is not recycled");
  }
}

std::string World::Explain(const MemberStatus& m) const {
  std::string text = "instance " + m.id.ToString() + ":";
  for (const auto& p : processes_) {
    if (!p->engine) continue;
    const State& state = p->engine->state();
    const auto found = state.targets.find(m.id);
    if (found == state.targets.end()) continue;
    const Target& t = found->second;
    const auto in = [&](Mono time) { return std::to_string((time - now_).count()); };
    text += " place " + std::to_string(int(t.place)) + " looking " + std::to_string(t.looking) +
            " batch " + std::to_string(t.batch) + " observed " + std::to_string(t.observed) +
            " in " + t.seen_lane.account + " " + t.seen_lane.region + " present " +
            std::to_string(t.present) + " known " + std::to_string(t.known.size()) + " seen as " +
            (t.seen_from ? t.seen_from->who->ToString() : "nobody") + " state " + t.sight.state +
            " owner " + (t.owner ? t.owner->key.name : "none") + " due " + in(t.due) + " seen " +
            in(t.seen_at) + " settle " + in(t.settle_until);
    for (const Claim& c : t.claims) {
      const Request& r = *c.request;
      text += "; " + r.key.name + (r.Executes() ? " " : " (dry) ") + r.spec.account + " " +
              r.spec.region + " " + ToString(r.members[c.member].state) + " accepted " +
              r.not_accepted.reason + " permitted " + r.not_permitted.reason + " hold " + r.hold;
    }
  }
  return text;
}

}  // namespace simulation
