// The observer of calls: knows the truth of the models and judges every call, every execution and
// every deletion from the log.
#include <algorithm>

#include "retirement/durations.h"
#include "simulation/world.h"

namespace simulation {
namespace {

// A request that nobody of a batch names is known by the watch only, however late it is.
constexpr Millis kLongestLag{75'000};
// What others did to an instance so lately that no look could tell.
constexpr Millis kJustNow = minutes{5};
// How far a wall clock that jumps may be off.
constexpr Millis kMostSkew = minutes{5};

bool WasOpen(const auto& spans, Mono from) {
  return std::any_of(spans.begin(), spans.end(), [&](const auto& s) { return s.until > from; });
}

bool WasOpenThroughout(const auto& spans, Mono from) {
  return !spans.empty() && spans.back().since <= from && spans.back().until == base::kNever;
}

bool Contains(const std::vector<std::string>& list, const std::string& item) {
  return std::find(list.begin(), list.end(), item) != list.end();
}

bool HadEffect(const BatchObject& b) {
  if (b.phase == BatchPhase::kAccepted) return true;
  return std::any_of(b.members.begin(), b.members.end(), [](const BatchMember& m) {
    return m.result == BatchResult::kRetired || m.result == BatchResult::kRecycled ||
           m.result == BatchResult::kUnknown;
  });
}

}  // namespace

void World::Mark(Spans& spans, bool so) const {
  const bool open = !spans.empty() && spans.back().until == base::kNever;
  if (so && !open) spans.push_back({now_, base::kNever});
  if (!so && open) spans.back().until = now_;
}

bool World::LetsIn(const AccountSpec& s, const RequestObject& r) {
  return Contains(s.regions, r.spec.region) &&
         (s.all_namespaces || Contains(s.namespaces, r.key.ns));
}

/// S0: nothing else has a say.
bool World::IsLetIn(const RequestObject& r) const {
  const auto account = accounts_.find(r.spec.account);
  return account != accounts_.end() && LetsIn(account->second.spec, r);
}

/// Or it was by an account as a view of it may still be.
bool World::SeemsLetIn(const RequestObject& r) const {
  const auto before = accounts_before_.find(r.spec.account);
  return IsLetIn(r) ||
         (before != accounts_before_.end() && now_ < before->second.until + kMaxViewAge &&
          LetsIn(before->second.spec, r));
}

/// What has expired wants nothing any more.
bool World::IsCancelled(const RequestObject& r, InstanceId id) const {
  const Millis error = clocks_jumped_ ? kMostSkew : Millis{0};
  if (r.spec.expires_at && *r.spec.expires_at <= TrueTime() + error) return true;
  return std::any_of(r.status.members.begin(), r.status.members.end(), [&](const MemberStatus& m) {
    return m.id == id && m.state == MemberState::kCancelled;
  });
}

/// Views of two kinds may be of different age, so each is judged by itself.
void World::UpdateTruth() {
  for (auto& [name, spans] : open_accounts_) {
    if (!accounts_.contains(name)) Mark(spans, false);
  }
  for (const auto& [name, account] : accounts_) {
    const AccountSpec& s = account.spec;
    const auto secret = secrets_.find(s.secret_name);
    Mark(open_accounts_[name], s.mode == Mode::kExecute && !s.paused);
    Mark(at_home_[name], s.endpoint == kHome && secret != secrets_.end() && IsOurs(secret->second));
  }
  std::set<std::pair<Lane, InstanceId>> wanted;
  std::set<std::pair<Lane, InstanceId>> tried;
  std::set<InstanceId> milder;
  for (const auto& [key, r] : requests_) {
    if (!SeemsLetIn(r) || r.deleting) continue;
    const bool let_in = IsLetIn(r);
    const bool executes = r.spec.mode == Mode::kExecute;
    const bool recycle = let_in && executes && r.spec.intent.prepaid == PrepaidPolicy::kRecycle;
    const bool may = !r.spec.suspend && r.hold.empty();
    for (const MemberSpec& m : r.spec.members) {
      const std::pair<Lane, InstanceId> wish{{r.spec.account, r.spec.region}, m.id};
      if (may && let_in) (executes ? wanted : tried).insert(wish);
      Spans& spans = (executes ? wishes_ : trials_)[wish];
      if (may && !let_in && spans.empty()) spans.push_back({now_, now_});
      if (recycle && !IsCancelled(r, m.id)) milder.insert(m.id);
      if (r.spec.intent.prepaid == PrepaidPolicy::kDestroy) destroy_wanted_[m.id] = true;
    }
  }
  for (const auto& wish : wanted) wishes_[wish];
  for (const auto& wish : tried) trials_[wish];
  for (auto& [wish, spans] : wishes_) Mark(spans, wanted.contains(wish));
  for (auto& [wish, spans] : trials_) Mark(spans, tried.contains(wish));
  for (const InstanceId id : milder) milder_[id];
  for (auto& [id, spans] : milder_) Mark(spans, milder.contains(id));
}

/// Also one that was deleted by hand: it was committed.
const StoredEntry* World::EntryOf(const Lane& lane, uint64_t sequence) const {
  if (const auto e = batches_.find({lane, sequence}); e != batches_.end()) return &e->second;
  if (const auto e = vanished_.find({lane, sequence}); e != vanished_.end()) return &e->second;
  return nullptr;
}

/// A process in a guest that stood still cannot know how old what it knows is.
Millis World::SlackOf(const Process& p) const {
  return now_ < p.stood_at + minutes{10} ? p.stood_for : Millis{0};
}

void World::JudgeCall(const Process& p, const Call& call) {
  UpdateTruth();  // time alone ends what expires
  if (call.ids.empty() || call.ids.size() > 100) Fail("S1: number of ids");
  if (std::set<InstanceId>(call.ids.begin(), call.ids.end()).size() != call.ids.size()) {
    Fail("S1: an id twice");
  }
  const StoredEntry* found = EntryOf(call.lane, call.sequence);
  if (found == nullptr) return Fail("S3: a call without a committed entry");
  const BatchObject& entry = found->object;
  // Whose guest stood still knows nothing of the end: its signature has expired.
  if (entry.phase != BatchPhase::kIntent && SlackOf(p) == Millis{0}) {
    Fail("S3: a call for an entry that has ended");
  }
  if (entry.signed_at != call.signed_at) Fail("S7: signed at another time than was committed");
  if (entry.release_address != call.release_address || entry.release_disks != call.release_disks ||
      entry.dry_run != call.dry_run || entry.credential != call.credential) {
    Fail("S2: a call that differs from its entry");
  }
  if (entry.endpoint != call.options.endpoint) Fail("S8: a call elsewhere than its entry says");
  if (!p.shown.contains({call.lane, call.sequence})) {
    Fail("S12: its watch has not shown " + BatchName(call.lane, call.sequence));
  }
  for (const InstanceId id : call.ids) {
    const std::string text = id.ToString();
    const bool named = std::any_of(entry.members.begin(), entry.members.end(),
                                   [&](const BatchMember& m) { return m.id == id; });
    if (!named) Fail("S3: " + text + " is not in its entry");
    if (!sights_.contains({call.lane, call.options.endpoint, call.credential, id})) {
      Fail("S8: " + text + " was never seen where it is called");
    }
    if (!call.dry_run && SlackOf(p) == Millis{0}) JudgeRepeat(entry, id);
  }
  JudgeWish(p, call);
}

/// S10: neither before it is to begin, nor within its grace period, nor after it has expired,
/// whatever the clock of the machine says.
void World::JudgeTime(const Process& p, const RequestObject& r) {
  const Wall now = TrueTime() + kClockError;
  if (r.spec.not_before && now < *r.spec.not_before) Fail("S10: before its time");
  if (now < r.created + r.spec.grace) Fail("S10: within its grace period");
  // Neither clock tells when the one of the machine and that of the service are wrong at once.
  if (clocks_jumped_ && now_ < date_behind_until_ + minutes{11}) return;
  const Wall latest = TrueTime() - kClockError - SlackOf(p);
  if (r.spec.expires_at && latest > *r.spec.expires_at) Fail("S10: after it has expired");
}

/// S2, S6, S10: somebody wants it so, now.
void World::JudgeWish(const Process& p, const Call& call) {
  const Mono seen = now_ - kMaxViewAge - SlackOf(p);
  const BatchObject& entry = EntryOf(call.lane, call.sequence)->object;
  for (const BatchMember& m : entry.members) {
    const auto& wishes = call.dry_run ? trials_ : wishes_;
    const auto wish = wishes.find({call.lane, m.id});
    if (wish == wishes.end() || !WasOpen(wish->second, seen)) {
      Fail("S6: " + m.id.ToString() + " is not wanted");
    }
    const auto found = requests_.find(m.request);
    if (found == requests_.end() || found->second.uid != m.uid) continue;
    const RequestObject& r = found->second;
    if ((entry.release_address && !r.spec.intent.release_address) ||
        (entry.release_disks && !r.spec.intent.release_disks)) {
      Fail("S2: " + m.id.ToString() + " would lose more than it is to");
    }
    if (edited_at_[m.request] > seen || meddled_at_[m.id] > now_ - kJustNow) continue;
    if (!call.dry_run) JudgeTime(p, r);
    const simulator::Instance* i = cloud_.Find(m.id.ToString(), now_);
    if (i != nullptr && i->charge != entry.charge.view()) {
      Fail("S2: " + m.id.ToString() + " is not " + std::string(entry.charge.view()));
    }
    for (const MemberSpec& s : r.spec.members) {
      if (s.id != m.id || !s.expect || i == nullptr || s.expect->name.empty()) continue;
      if (s.expect->name != i->name) Fail("S6: " + m.id.ToString() + " is not the expected one");
    }
  }
  if (call.dry_run) return;
  if (!WasOpen(open_accounts_[call.lane.account], seen)) Fail("S10: the account does not execute");
}

/// S5, S8a: what was accepted is repeated only if it failed, or if a person asked.
void World::JudgeRepeat(const BatchObject& entry, InstanceId id) {
  if (entry.step == Step::kSecond) {
    if (!WasOpenThroughout(milder_[id], now_ - kLongestLag)) return;
    MemberStatus member;
    member.id = id;
    Trace(Explain(member));
    return Fail("S5: a live request wants " + id.ToString() + " in the bin");
  }
  const auto last = last_calls_.find(id);
  if (last == last_calls_.end() || last->second.accepted == 0 || !last->second.clean) return;
  if (asked_at_[id] > last->second.at || meddled_at_[id] > last->second.at) return;
  if (failed_operations_.contains(last->second.request_id) || now_ < beyond_until_) return;
  Fail("S8a: the accepted call for " + id.ToString() + " is repeated");
}

/// What holds when the first byte leaves.
void World::JudgeSend(const Process& p, const Call& call) {
  if (ClockOf(p) >= p.lead_until) Fail("S7: a call outside the lease's validity");
  if (SlackOf(p) > Millis{0}) return;
  const StoredEntry* entry = EntryOf(call.lane, call.sequence);
  const bool prepaid = entry != nullptr && entry->object.charge.view() == kPrepaid;
  for (const InstanceId id : call.ids) {
    if (looked_at_[id] < judged_at_[id]) Fail("S4: " + id.ToString() + " was not observed since");
    if (now_ - looked_at_[id] > (prepaid ? kPrepaidSightAge : kSightAge)) {
      Fail("S9: the sight of " + id.ToString() + " is too old");
    }
  }
}

/// What holds when the service accepts it.
void World::JudgeArrival(const Call& call, uint64_t entry) {
  const Millis age = now_ - created_[entry];
  const StoredEntry* found = EntryOf(call.lane, call.sequence);
  const Millis validity = found == nullptr ? kSignatureAge : found->object.call_validity;
  if (age > validity + kClockError) Fail("S7: a call accepted after its validity");
}

/// What failed does not count; but where a postpaid instance goes to the bin nothing is repeated.
void World::PrepareExecution(const std::vector<InstanceId>& ids) {
  for (const InstanceId id : ids) {
    const simulator::Instance* i = cloud_.Find(id.ToString(), now_);
    LastCall& last = last_calls_[id];
    if (i == nullptr || i->operation_state != "FAILED" || last.accepted == 0) continue;
    const bool never = i->charge != kPrepaid && shape_.keeps_postpaid && last.clean;
    if (i->operation_request == last.request_id && !never) --last.accepted;
  }
}

/// A service that ignores DryRun=true destroys one instance before nothing more is asked; until the
/// parameter is taken away, or the account made anew.
void World::JudgeDryRun(const std::string& account, const std::vector<InstanceId>& ids) {
  const auto found = accounts_.find(account);
  if (found == accounts_.end()) return;
  auto& executed = dry_runs_executed_[found->second.uid];
  executed.insert(executed.end(), ids.begin(), ids.end());
  // Who restores at once what went into the bin hides what the dry run did; what failed did
  // nothing.
  const auto counts = [&](InstanceId id) {
    const simulator::Instance* i = cloud_.Find(id.ToString(), now_);
    return !meddled_at_.contains(id) && i != nullptr && i->operation_state != "FAILED";
  };
  if (std::count_if(executed.begin(), executed.end(), counts) > 1) {
    Fail("S10: a dry run destroyed more than one");
  }
}

void World::JudgeExecution(const simulator::Execution& e) {
  if (!e.code.empty()) return;
  std::set<std::string> charges;
  for (size_t i = 0; i < e.ids.size(); ++i) {
    const InstanceId id = *InstanceId::Parse(e.ids[i]);
    const simulator::Instance* instance = cloud_.Find(e.ids[i], e.at);
    charges.insert(instance->charge);
    LastCall& last = last_calls_[id];
    // Two bounds are the cloud's, and nobody sees what others did a moment ago. Who deletes the
    // record of a call and then asks for another one gets it.
    const bool asked = asked_at_[id] > last.at;
    const bool late = now_ < beyond_until_ || (shape_.slow && (!last.clean || asked)) ||
                      (asked && orphans_.contains(id));
    const auto meddled = meddled_at_.find(id);
    const bool excused = late || closed_by_hand_.contains(id) ||
                         (meddled != meddled_at_.end() && meddled->second > now_ - kJustNow);
    const bool prepaid = instance->charge == kPrepaid;
    if (prepaid && !e.was_in_bin[i]) {
      last.accepted = 1;
    } else if (prepaid && !destroy_wanted_[id] && !excused) {
      Fail("S5: " + e.ids[i] + " was to be recycled and is destroyed");
    } else if (++last.accepted > (prepaid ? 2 : 1) && !excused) {
      Fail("S5: one accepted call too many for " + e.ids[i]);
    }
    last.request_id = e.request_id;
    last.clean = false;
    last.at = now_;
    touched_.insert(id);
    missed_until_[id] = std::min(missed_until_[id], now_);
  }
  if (charges.size() > 1) Fail("S2: mixed charge types");
}

/// The log keeps what had an effect, what is open, and its newest entry.
void World::JudgeDeletion(const DeleteBatch& a) {
  const auto found = batches_.find({a.lane, a.sequence});
  if (found == batches_.end()) return;
  const std::string name = BatchName(a.lane, a.sequence);
  const auto next = std::next(found);
  if (!IsClosed(found->second.object.phase)) Fail("log: the open " + name + " is deleted");
  if (HadEffect(found->second.object)) Fail("log: " + name + " had an effect and is deleted");
  const bool newest = next == batches_.end() || next->first.first != a.lane;
  // Of a later one that somebody has just deleted the engine may not have been told.
  const auto deleted = deleted_by_hand_.find(a.lane);
  if (newest && (deleted == deleted_by_hand_.end() || deleted->second < now_ - minutes{3})) {
    Fail("log: the newest entry " + name + " is deleted");
  }
}

}  // namespace simulation
