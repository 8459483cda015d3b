// Users: they create, edit, delete, suspend and hold at any moment, name one instance in several
// requests, accounts and regions, and delete entries of the log.
#include <algorithm>

#include "retirement/durations.h"
#include "retirement/members.h"
#include "simulation/world.h"

namespace simulation {
namespace {

/// Who asks consents to what he was told to wait for.
bool IsConsent(const MemberStatus& m) {
  return m.reason == Reason::kVerifyDeadlineExceeded || m.reason == Reason::kResurrected ||
         m.reason == Reason::kServiceError;
}

const std::vector<std::string> kNamespaces = {"team", "crew"};

}  // namespace

void World::Populate() {
  const int wanted = shape_.crowded ? 4 : shape_.requests * shape_.members * 3 / 4;
  PopulateCloud(std::max(2, wanted));
  PopulateAccounts();
  dry_run_attitude_ = int(random_.Below(3));
  UpdateTruth();
}

std::vector<MemberSpec> World::NewMembers() {
  std::set<InstanceId> chosen;
  for (int m = 0; m < shape_.members; ++m) chosen.insert(OneOf(ids_));
  std::vector<MemberSpec> members;
  for (const InstanceId id : chosen) members.push_back(MemberSpec(id));
  for (MemberSpec& m : members) {
    if (Fault("an expectation", 0.05)) Expect(m);
  }
  return members;
}

void World::Expect(MemberSpec& m) {
  const simulator::Instance* i = cloud_.Find(m.id.ToString(), now_);
  m.expect = std::make_unique<Expectation>();
  m.expect->name = i == nullptr || random_.Chance(0.4) ? "another machine" : i->name;
  if (i != nullptr && random_.Chance(0.5)) m.expect->private_ip = i->private_ip;
}

RequestObject World::NewRequest(int number) {
  RequestObject r;
  r.key = {OneOf(kNamespaces), "r" + std::to_string(number)};
  if (shape_.crowded && !shape_.guests) r.key.ns = "team-" + std::to_string(number / 4);
  r.uid = "uid-" + std::to_string(++order_);
  r.generation = 1;
  r.created = std::chrono::floor<seconds>(TrueTime());
  r.spec.account = AnAccount();
  r.spec.region = ARegion();
  Intent& intent = r.spec.intent;
  intent.prepaid = random_.Chance(0.3) ? PrepaidPolicy::kDestroy : PrepaidPolicy::kRecycle;
  if (random_.Chance(0.05)) intent.prepaid = PrepaidPolicy::kRefuse;
  if (random_.Chance(0.05)) intent.postpaid = PostpaidPolicy::kRefuse;
  intent.release_address = random_.Chance(0.1);
  intent.release_disks = random_.Chance(0.1);
  if (random_.Chance(shape_.dry_runs ? 0.5 : 0.1)) r.spec.mode = Mode::kDryRun;
  if (random_.Chance(0.2)) r.spec.grace = Delay(60'000);
  if (random_.Chance(0.2)) r.spec.not_before = TrueTime() + Delay(120'000);
  if (random_.Chance(0.1)) r.spec.expires_at = TrueTime() + minutes{3} + Delay(120'000);
  r.spec.members = NewMembers();
  return r;
}

void World::ScheduleUsers() {
  for (int i = 0; i < shape_.requests; ++i) {
    At(nullptr, Delay(60'000), [this, i] { PutRequest(NewRequest(i)); });
  }
  At(nullptr, Delay(40'000), [this] { UserActs(); });
  At(nullptr, quiet_ - now_ + seconds{1}, [this] { CleanUp(); });
  if (!shape_.guests) return;
  for (int i = 0; i < 3; ++i) At(nullptr, Delay(500'000), [this] { Intrude(); });
}

void World::UserActs() {
  if (!faults_on_) return;
  At(nullptr, Delay(shape_.stubborn ? 3'600'000 : 60'000), [this] { UserActs(); });
  switch (random_.Below(10)) {
    case 0:
    case 1:
    case 2:
      return ActOnAccount();
    case 3:
      return ActOnLog();
    default:
      return ActOnRequest();
  }
}

void World::ActOnRequest() {
  if (requests_.empty()) return;
  auto it = requests_.begin();
  std::advance(it, int64_t(random_.Below(requests_.size())));
  const RequestObject r = it->second;
  if (!IsWitness(r)) EditRequest(r);
}

void World::EditRequest(RequestObject r) {
  switch (random_.Below(10)) {
    case 0:
      if (Fault("user deletes a request", 1)) DropRequest(r.key);
      return;
    case 1:
      if (!Fault("user suspends or resumes", 1)) return;
      r.spec.suspend = !r.spec.suspend;
      break;
    case 2:
      if (!Fault("user holds or lets go", 1)) return;
      r.hold = r.hold.empty() ? "x=somebody: looking" : "";
      return PutRequest(r);
    case 3:
      if (r.spec.members.size() < 2 || !Fault("user removes a member", 1)) return;
      r.spec.members.pop_back();
      break;
    case 4:
      if (!Fault("user makes a request anew", 1)) return;
      DropRequest(r.key);
      r.uid = "uid-" + std::to_string(++order_);
      r.generation = 0;
      r.deleting = false;
      r.created = std::chrono::floor<seconds>(TrueTime());
      r.status = {};
      break;
    case 5:
      if (!Fault("user asks to look again", 1)) return;
      r.requested_at = std::to_string(order_);
      for (const MemberStatus& m : r.status.members) {
        if (IsConsent(m)) asked_at_[m.id] = now_;
      }
      refused_calls_.clear();
      return PutRequest(r);
    case 6:
      if (!Fault("deletion waits for a finalizer", 0.5)) return;
      r.deleting = true;
      At(nullptr, Delay(400'000), [this, key = r.key] {
        if (requests_.contains(key) && requests_.at(key).deleting) DropRequest(key);
      });
      break;
    case 7:
      if (!Fault("a note is edited again and again", 0.7)) return;
      for (int i = 0; i < 20; ++i) {
        At(nullptr, Delay(60'000), [this, key = r.key] {
          if (requests_.contains(key)) PutRequest(requests_.at(key), false);
        });
      }
      return;
    case 8:
      if (r.spec.members.empty() || !Fault("user edits an expectation", 1)) return;
      Expect(r.spec.members.front());
      break;
    default:
      if (r.spec.members.size() > 20 || !Fault("user adds a member", 1)) return;
      for (const MemberSpec& m : NewMembers()) {
        const bool has = std::any_of(r.spec.members.begin(), r.spec.members.end(),
                                     [&](const MemberSpec& old) { return old.id == m.id; });
        if (!has) r.spec.members.push_back(m);
      }
  }
  ++r.generation;
  PutRequest(r);
}

/// The requests of all its members say in their status that they await its end, and no write that
/// is under way can make them say something else.
bool World::IsTold(const BatchObject& b) const {
  return std::all_of(b.members.begin(), b.members.end(), [&](const BatchMember& m) {
    const auto r = requests_.find(m.request);
    if (r == requests_.end() || r->second.uid != m.uid) return false;
    if (writing_.contains(m.request)) return false;
    const auto& told = r->second.status.members;
    return std::any_of(told.begin(), told.end(), [&](const MemberStatus& s) {
      return s.id == m.id && s.batch == b.sequence && IsUnended(s);
    });
  });
}

/// What is deleted at once with everything that speaks of it has never been: an open entry goes
/// while statuses tell of it, a closed one when the cloud shows what was done.
bool World::MayVanish(const StoredEntry& entry) {
  // Where two installations share a log, only the owner of an open entry writes it again.
  if (shape_.slow || (shape_.rivals && !IsClosed(entry.object.phase))) return false;
  // The record of an accepted call bears weight as long as what it was about lives.
  const auto lives = [&](const BatchMember& m) {
    const auto last = last_calls_.find(m.id);
    const simulator::Instance* i = cloud_.Find(m.id.ToString(), now_);
    return last != last_calls_.end() && last->second.accepted > 0 && i != nullptr && !i->gone &&
           i->state != "SHUTDOWN";
  };
  const bool living = std::any_of(entry.object.members.begin(), entry.object.members.end(), lives);
  if (IsClosed(entry.object.phase)) return !living && now_ - entry.closed_at >= kMaxEffectLag;
  // What a dry run did is told by its account, which may not have said so yet.
  return !entry.object.dry_run && IsTold(entry.object);
}

/// Its status alone speaks of a call that may still be on its way.
bool World::IsWitness(const RequestObject& r) const {
  if (!IsLetIn(r) && r.key.ns == "guests") return false;
  return std::any_of(r.status.members.begin(), r.status.members.end(), [&](const MemberStatus& m) {
    return m.batch != 0 && !IsFinal(m.state) &&
           !batches_.contains({{r.spec.account, r.spec.region}, m.batch});
  });
}

/// Somebody deletes an entry of the log; the leader, who knows it, writes an open one again.
void World::ActOnLog() {
  if (batches_.empty()) return;
  auto it = batches_.begin();
  std::advance(it, int64_t(random_.Below(batches_.size())));
  const auto [lane, sequence] = it->first;
  if (!MayVanish(it->second)) return;
  const bool open = !IsClosed(it->second.object.phase);
  if (!Fault(open ? "open batch deleted by hand" : "batch deleted by hand", 1)) return;
  Trace("delete " + BatchName(lane, sequence));
  if (open) vanished_[it->first] = it->second;
  for (const BatchMember& m : it->second.object.members) orphans_.insert(m.id);
  deleted_by_hand_[lane] = now_;
  batches_.erase(it);
  ++version_;
  Publish(Kind::kBatch, BatchGone{lane, sequence});
}

/// What users left standing in the way goes, so that everything can become final.
void World::CleanUp() {
  Trace("everything is put right");
  troubles_.clear();
  PutAccountsRight();
  for (auto [key, r] : std::map(requests_)) {
    if (r.deleting) {
      DropRequest(key);
      continue;
    }
    if (r.hold.empty() && !r.spec.suspend) continue;
    r.hold.clear();
    r.generation += r.spec.suspend;
    r.spec.suspend = false;
    PutRequest(r);
  }
  At(nullptr, hours{1}, [this] { CloseByHand(); });
}

/// Of one of its members a request says that a person has to look, or nobody is left to be told but
/// by an event; or somebody waits for its end.
bool World::NeedsAPerson(const BatchObject& b) const {
  return std::any_of(b.members.begin(), b.members.end(), [&](const BatchMember& m) {
    bool somebody = false;
    for (const auto& [key, r] : requests_) {
      for (const MemberStatus& s : r.status.members) {
        if (s.id != m.id || !IsLetIn(r)) continue;
        if (s.reason == Reason::kVerifyDeadlineExceeded || s.reason == Reason::kAwaitingBatch) {
          return true;
        }
        somebody = somebody || (r.uid == m.uid && !IsFinal(s.state));
      }
    }
    return !somebody;
  });
}

/// Where nobody sees any more what a call did, because its key has gone or others have worked on
/// the instance since, a person ends its entry.
void World::CloseByHand() {
  At(nullptr, minutes{30}, [this] { CloseByHand(); });
  for (auto& [key, entry] : batches_) {
    BatchObject& b = entry.object;
    if (IsClosed(b.phase) || !b.close.empty()) continue;
    const auto account = accounts_.find(key.first.account);
    const std::string secret =
        account == accounts_.end() ? "" : secrets_[account->second.spec.secret_name];
    const Mono since = entry.created_at;
    const bool meddled = std::any_of(b.members.begin(), b.members.end(), [&](const auto& m) {
      return meddled_at_.contains(m.id) && meddled_at_.at(m.id) > since;
    });
    if (b.credential == secret && b.endpoint == kHome && !meddled && !NeedsAPerson(b)) continue;
    Trace("closed by hand: " + BatchName(key.first, key.second));
    b.close = meddled ? "somebody: looked at it" : "somebody: rotated";
    b.version = NextVersion();
    for (const BatchMember& m : b.members) closed_by_hand_.insert(m.id);
    Publish(Kind::kBatch, BatchSeen{b});
  }
}

}  // namespace simulation
