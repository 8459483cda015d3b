// Others: whoever works on the instances beside us, and requests of namespaces that no account
// allows, with statuses that lie.
#include "simulation/world.h"

namespace simulation {
namespace {

std::string IdText(int n) {
  std::string text = "ins-00000000";
  for (size_t i = text.size() - 1; n > 0; --i, n /= 10) text[i] = char('0' + n % 10);
  return text;
}

}  // namespace

void World::PopulateCloud(int total) {
  for (int i = 0; i < total; ++i) {
    ids_.push_back(*InstanceId::Parse(IdText(i + 1)));
    simulator::Instance instance;
    instance.id = IdText(i + 1);
    instance.region = ARegion();
    instance.name = "vm-" + std::to_string(i);
    instance.private_ip = "10.0." + std::to_string(i / 250) + "." + std::to_string(i % 250);
    if (random_.Chance(0.5)) instance.charge = kPrepaid;
    const double rare = shape_.big ? 0.005 : 0.05;
    instance.protected_from_termination = random_.Chance(rare);
    instance.refuse_for_good = random_.Chance(rare);
    if (random_.Chance(rare)) instance.state = "LAUNCH_FAILED";
    if (!random_.Chance(rare)) cloud_.Add(instance, Mono{});
  }
}

void World::OthersAct() {
  if (!faults_on_) return;
  At(nullptr, Delay(shape_.stubborn ? 3'600'000 : 120'000), [this] { OthersAct(); });
  ActOnInstance(OneOf(ids_));
}

void World::ActOnInstance(InstanceId id) {
  const simulator::Instance* found = cloud_.Find(id.ToString(), now_);
  if (found == nullptr || found->gone || found->operation_state == "OPERATING") return;
  PrepareExecution({id});  // what has failed is not to be seen in it any more
  simulator::Instance i = *found;
  const bool in_bin = i.state == "SHUTDOWN";
  i.operation_request = "others-" + std::to_string(++order_);
  i.operation_state = "SUCCESS";
  simulator::Instance later = i;
  const uint64_t choice = random_.Below(7);
  if (in_bin) {
    if (!Fault("others restore from the bin", 0.3)) return;
    i.state = later.state = "RUNNING";
    i.operation = later.operation = "RenewInstances";
    last_calls_.erase(id);
    restored_.insert(id);
  } else if (choice == 0 && Fault("others stop or start", 1)) {
    const bool runs = i.state == "RUNNING";
    if (!runs && i.state != "STOPPED") return;
    i.state = runs ? "STOPPING" : "STARTING";
    later.state = runs ? "STOPPED" : "RUNNING";
    i.operation = later.operation = runs ? "StopInstances" : "StartInstances";
    i.operation_state = "OPERATING";
  } else if (choice == 1 && Fault("others convert the charge type", 1)) {
    i.charge = later.charge = i.charge == kPrepaid ? "POSTPAID_BY_HOUR" : std::string(kPrepaid);
    i.operation = later.operation = "ModifyInstancesChargeType";
  } else if (choice == 2 && Fault("others protect or unprotect", 1)) {
    i.protected_from_termination = later.protected_from_termination = !i.protected_from_termination;
  } else if (choice == 3 && Fault("others rename", 1)) {
    i.name = later.name = "renamed-" + std::to_string(order_);
  } else if (choice == 4 && i.state == "RUNNING" && Fault("others retire", 0.7)) {
    i.operation = later.operation = "TerminateInstances";
    i.operation_state = "OPERATING";
    later.gone = i.charge != kPrepaid && !shape_.keeps_postpaid;
    if (!later.gone) later.state = "SHUTDOWN";
  } else {
    return;
  }
  meddled_at_[id] = now_;
  chatter_.clear();
  Trace("others act on " + id.ToString() + ": " + i.state + " " + i.operation);
  cloud_.Change(i, now_);
  if (i.operation_state == "OPERATING") cloud_.ChangeLater(later, now_ + Delay(20'000) + Millis{1});
}

/// S0: this has no influence on anybody.
void World::Intrude() {
  if (!Fault("a forged status of a guest", 1)) return;
  RequestObject r = NewRequest(int(++order_));
  r.key.ns = "guests";
  r.spec.mode = random_.Chance(0.8) ? Mode::kExecute : Mode::kDryRun;
  r.status.observed_generation = random_.Chance(0.8) ? 1 : 0;
  for (int n = 0; n < 3; ++n) {
    MemberStatus m;
    m.id = random_.Chance(0.5) ? r.spec.members.front().id : OneOf(ids_);
    m.state = random_.Chance(0.7) ? MemberState::kVerifying : MemberState::kRetired;
    m.attempts = 3;
    const std::vector<uint64_t> numbers = {9'223'372'036'854'775'807U, 10'000'000'000U, 1, 2, 3, 7};
    m.batch = OneOf(numbers);
    m.charge = ChargeType(kPrepaid);
    m.time = TrueTime();
    r.status.members.push_back(m);
  }
  PutRequest(r);
}

}  // namespace simulation
