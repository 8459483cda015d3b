// Users: they create, edit, delete, suspend, hold, pause and swap Secrets at any moment, and name
// one instance in several requests, accounts and regions.
#include <algorithm>

#include "retirement/durations.h"
#include "simulation/world.h"

namespace simulation {
namespace {

const std::vector<std::string> kAccounts = {"default", "other"};
const std::vector<std::string> kRegions = {"ap-guangzhou", "ap-shanghai"};
constexpr const char* kOurKey = "key-1";
constexpr const char* kStrangeKey = "key-2";  // of another account: it sees nothing of ours

std::string IdText(int n) {
  std::string text = "ins-00000000";
  for (size_t i = text.size() - 1; n > 0; --i, n /= 10) text[i] = char('0' + n % 10);
  return text;
}

}  // namespace

void World::Populate() {
  const int total = std::max(2, shape_.requests * shape_.members * 3 / 4);
  for (int i = 0; i < total; ++i) {
    ids_.push_back(*InstanceId::Parse(IdText(i + 1)));
    simulator::Instance instance;
    instance.id = IdText(i + 1);
    instance.region = kRegions[random_.Below(uint64_t(shape_.regions))];
    if (random_.Chance(0.5)) instance.charge = kPrepaid;
    instance.protected_from_termination = random_.Chance(0.05);
    instance.refuse_for_good = random_.Chance(0.05);
    if (random_.Chance(0.05)) instance.state = "LAUNCH_FAILED";
    if (!random_.Chance(0.05)) cloud_.Add(instance, Mono{});
  }
  // Two accounts are one in truth.
  for (int i = 0; i < shape_.accounts; ++i) {
    AccountObject account;
    account.name = kAccounts[size_t(i)];
    account.uid = "uid-of-" + account.name;
    account.generation = 1;
    account.spec.mode = Mode::kExecute;
    account.spec.secret_name = "secret-of-" + account.name;
    account.spec.regions = kRegions;
    account.spec.all_namespaces = true;
    account.version = NextVersion();
    accounts_[account.name] = account;
    secrets_[account.name] = kOurKey;
  }
  UpdateTruth();
}

RequestObject World::NewRequest(int number) {
  RequestObject r;
  r.key = {"team", "r" + std::to_string(number)};
  r.uid = "uid-" + std::to_string(++order_);
  r.generation = 1;
  r.created = std::chrono::floor<seconds>(TrueTime());
  r.spec.account = kAccounts[random_.Below(uint64_t(shape_.accounts))];
  r.spec.region = kRegions[random_.Below(uint64_t(shape_.regions))];
  r.spec.intent.prepaid = random_.Chance(0.3) ? PrepaidPolicy::kDestroy : PrepaidPolicy::kRecycle;
  if (random_.Chance(0.1)) r.spec.mode = Mode::kDryRun;
  if (random_.Chance(0.2)) r.spec.grace = Delay(60'000);
  if (random_.Chance(0.2)) r.spec.not_before = TrueTime() + Delay(120'000);
  if (random_.Chance(0.1)) r.spec.expires_at = TrueTime() + minutes{3} + Delay(120'000);
  std::set<InstanceId> chosen;
  for (int m = 0; m < shape_.members; ++m) chosen.insert(ids_[random_.Below(ids_.size())]);
  for (const InstanceId id : chosen) r.spec.members.push_back(MemberSpec(id));
  return r;
}

void World::ScheduleUsers() {
  for (int i = 0; i < shape_.requests; ++i) {
    At(nullptr, Delay(60'000), [this, i] { PutRequest(NewRequest(i)); });
  }
  At(nullptr, Delay(40'000), [this] { UserActs(); });
}

void World::UserActs() {
  if (!faults_on_) return CleanUp();
  At(nullptr, Delay(60'000), [this] { UserActs(); });
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
  RequestObject r = it->second;
  if (IsWitness(r)) return;
  const uint64_t choice = random_.Below(6);
  if (choice == 0 && Fault("user deletes a request", 1)) return DropRequest(r.key);
  if (choice == 1 && Fault("user suspends or resumes", 1)) {
    r.spec.suspend = !r.spec.suspend;
    ++r.generation;
    return PutRequest(r);
  }
  if (choice == 2 && Fault("user holds or lets go", 1)) {
    r.hold = r.hold.empty() ? "x=somebody: looking" : "";
    return PutRequest(r);
  }
  if (choice == 3 && r.spec.members.size() > 1 && Fault("user removes a member", 1)) {
    r.spec.members.pop_back();
    ++r.generation;
    return PutRequest(r);
  }
  if (choice == 4 && Fault("user makes a request anew", 1)) {
    DropRequest(r.key);
    r.uid = "uid-" + std::to_string(++order_);
    r.generation = 1;
    r.created = std::chrono::floor<seconds>(TrueTime());
    r.status = {};
    return PutRequest(r);
  }
  if (choice == 5 && Fault("user asks to look again", 1)) {
    r.requested_at = std::to_string(order_);
    PutRequest(r);
  }
}

void World::ActOnAccount() {
  AccountObject account = accounts_.at(kAccounts[random_.Below(uint64_t(shape_.accounts))]);
  const uint64_t choice = random_.Below(4);
  if (choice == 0 && Fault("Secret swapped", 1)) {
    std::string& secret = secrets_.at(account.name);
    secret = secret == kOurKey ? kStrangeKey : kOurKey;
    return Trace("secret of " + account.name + " is " + secret);
  }
  if (choice == 1 && Fault("account paused or resumed", 1)) {
    account.spec.paused = !account.spec.paused;
    ++account.generation;
    return PutAccount(account);
  }
  if (choice >= 2 && Fault("account mode changed", 1)) {
    const bool dry = account.spec.mode == Mode::kDryRun;
    account.spec.mode = dry ? Mode::kExecute : Mode::kDryRun;
    ++account.generation;
    PutAccount(account);
  }
}

/// The requests of all its members say in their status that they are in it.
bool World::IsTold(const BatchObject& b) const {
  return std::all_of(b.members.begin(), b.members.end(), [&](const BatchMember& m) {
    const auto r = requests_.find(m.request);
    if (r == requests_.end() || r->second.uid != m.uid) return false;
    const auto& told = r->second.status.members;
    return std::any_of(told.begin(), told.end(), [&](const MemberStatus& s) {
      return s.id == m.id && s.batch == b.sequence && !IsFinal(s.state);
    });
  });
}

/// What is deleted at once with everything that speaks of it has never been: an open entry goes
/// while statuses tell of it, a closed one when the cloud shows what was done.
bool World::MayVanish(const Entry& entry) const {
  if (IsClosed(entry.object.phase)) return now_ - entry.closed_at >= kMaxEffectLag;
  return IsTold(entry.object);
}

/// Its status alone speaks of a call that may still be on its way.
bool World::IsWitness(const RequestObject& r) const {
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
  batches_.erase(it);
  ++version_;
  Publish(Kind::kBatch, BatchGone{lane, sequence});
}

/// What users left standing in the way goes, so that everything can become final.
void World::CleanUp() {
  for (const auto& [name, stored] : std::map(accounts_)) {
    secrets_[name] = kOurKey;
    if (!stored.spec.paused && stored.spec.mode == Mode::kExecute) continue;
    AccountObject account = stored;
    account.spec.paused = false;
    account.spec.mode = Mode::kExecute;
    ++account.generation;
    PutAccount(account);
  }
  for (auto [key, r] : std::map(requests_)) {
    if (r.hold.empty() && !r.spec.suspend) continue;
    r.hold.clear();
    r.generation += r.spec.suspend;
    r.spec.suspend = false;
    PutRequest(r);
  }
}

}  // namespace simulation
