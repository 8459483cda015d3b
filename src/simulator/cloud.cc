#include "simulator/cloud.h"

#include <functional>
#include <optional>
#include <set>

namespace simulator {
namespace {

constexpr size_t kMostIds = 100;

bool IsPrepaid(const Instance& i) { return i.charge == "PREPAID"; }

/// The refusals of TerminateInstances by state (CVM API, TerminateInstances, error codes).
const std::map<std::string, std::string>& StateCodes() {
  static const std::map<std::string, std::string> codes = {
      {"PENDING", "Pending"},
      {"LAUNCH_FAILED", "LaunchFailed"},
      {"REBOOTING", "Rebooting"},
      {"STARTING", "Starting"},
      {"STOPPING", "Stopping"},
      {"ENTER_RESCUE_MODE", "EnterRescueMode"},
      {"EXIT_RESCUE_MODE", "ExitRescueMode"},
      {"ENTER_SERVICE_LIVE_MIGRATE", "EnterServiceLiveMigrate"},
      {"EXIT_SERVICE_LIVE_MIGRATE", "ExitServiceLiveMigrate"},
      {"FREEZING", "Freezing"},
      {"BANNING", "Banning"},
      {"ISOLATING", "Isolating"},
      {"TERMINATING", "Terminating"},
      {"TERMINATED", "Terminated"}};
  return codes;
}

}  // namespace

void Cloud::Add(Instance instance, Mono now) {
  const std::string id = instance.id;
  histories_[id].versions.push_back({now, std::move(instance)});
}

void Cloud::Change(Instance instance, Mono now) {
  auto& versions = histories_[instance.id].versions;
  while (!versions.empty() && versions.back().since > now) versions.pop_back();
  versions.push_back({now, std::move(instance)});
}

void Cloud::ChangeLater(Instance instance, Mono at) {
  auto& versions = histories_[instance.id].versions;
  versions.push_back({at, std::move(instance)});
}

const Instance* Cloud::At(const History& history, Mono time) const {
  const Instance* found = nullptr;
  for (const Version& v : history.versions) {
    if (v.since <= time) found = &v.instance;
  }
  return found;
}

const Instance* Cloud::Find(const std::string& id, Mono now) {
  const auto found = histories_.find(id);
  return found == histories_.end() ? nullptr : At(found->second, now);
}

std::string Cloud::Offenders(const std::vector<std::string>& ids) {
  if (!nature_.NamesOffenders()) return "`some of them`";
  std::string list;
  for (const std::string& id : ids) list += (list.empty() ? "'" : ", '") + id + "'";
  return "`[" + list + "]`";
}

Reply Cloud::Check(const TerminateRequest& request, Mono now) {
  if (request.ids.empty()) return {"MissingParameter", "InstanceIds is missing."};
  if (request.ids.size() > kMostIds) {
    return {"InvalidParameterValue.LimitExceeded", "The number of InstanceIds exceeds 100."};
  }
  if (std::set<std::string>(request.ids.begin(), request.ids.end()).size() != request.ids.size()) {
    return {"InvalidParameterValue", "InstanceIds holds an id twice."};
  }
  std::vector<std::string> unknown;
  std::set<std::string> charges;
  for (const std::string& id : request.ids) {
    const Instance* i = Find(id, now);
    if (i == nullptr || i->gone || i->region != request.region) {
      unknown.push_back(id);
    } else {
      charges.insert(i->charge);
    }
  }
  if (!unknown.empty()) {
    return {"InvalidInstanceId.NotFound",
            "The specified instance ID " + Offenders(unknown) + " is not found."};
  }
  if (charges.size() > 1) {
    return {"UnsupportedOperation.InstanceMixedPricingModel",
            "A mixed payment mode is not supported."};
  }
  struct Rule {
    const char* code;
    const char* text;
    std::function<bool(const Instance&)> applies;
  };
  const std::vector<Rule> rules = {
      {"UnsupportedOperation.InstancesProtected", "is under termination protection.",
       [](const Instance& i) { return i.protected_from_termination; }},
      {"FailedOperation.Unreturnable", "is unreturnable.",
       [](const Instance& i) { return i.refuse_for_good; }},
      {"OperationDenied.InstanceOperationInProgress",
       "already has operation in progress. Please try again later.",
       [](const Instance& i) { return i.operation_state == "OPERATING"; }}};
  for (const Rule& rule : rules) {
    std::vector<std::string> hit;
    for (const std::string& id : request.ids) {
      if (rule.applies(*Find(id, now))) hit.push_back(id);
    }
    if (!hit.empty()) return {rule.code, "The instance " + Offenders(hit) + " " + rule.text};
  }
  for (const std::string& id : request.ids) {
    const auto code = StateCodes().find(Find(id, now)->state);
    if (code == StateCodes().end()) continue;
    return {"UnsupportedOperation.InstanceState" + code->second,
            "The instance " + Offenders({id}) + " is in state " + code->first + "."};
  }
  return {};
}

bool Cloud::IsInBin(const Instance& i) {
  return i.state == "SHUTDOWN" && (IsPrepaid(i) || nature_.KeepsPostpaid());
}

void Cloud::Execute(History& history, const std::string& request_id, Mono now) {
  const Instance before = *At(history, now);
  Instance during = before;
  const bool recycle = !IsInBin(before) && (IsPrepaid(before) || nature_.KeepsPostpaid());
  during.operation = "TerminateInstances";
  during.operation_state = "OPERATING";
  during.operation_request = request_id;
  during.operation_error.clear();
  const bool fails = nature_.FailsLater();
  std::vector<std::string> passing;
  if (!fails && before.state == "RUNNING") passing = nature_.Passing();
  if (!recycle && passing.empty()) during.state = "TERMINATING";
  Instance after = during;
  after.operation_state = "SUCCESS";
  if (fails) {
    after.state = before.state;
    after.operation_state = "FAILED";
    after.operation_error = "the operation failed";
  } else if (recycle) {
    after.state = "SHUTDOWN";
    after.isolated = "MANMADE";
  } else {
    after.gone = true;
  }
  const Millis effect = std::max(Millis{1}, nature_.EffectDelay());
  Change(during, now);
  for (size_t i = 0; i < passing.size(); ++i) {
    during.state = passing[i];
    ChangeLater(during, now + effect * int64_t(i) / int64_t(passing.size() + 1));
  }
  ChangeLater(after, now + effect);
}

Reply Cloud::Terminate(const TerminateRequest& request, Mono now) {
  Execution execution{now, request.region, request.ids, {}, request.request_id, {}};
  for (const std::string& id : request.ids) {
    const Instance* i = Find(id, now);
    execution.was_in_bin.push_back(i != nullptr && IsInBin(*i));
  }
  const Reply reply = Check(request, now);
  execution.code = reply.code;
  executions_.push_back(std::move(execution));
  if (!reply.ok()) return reply;
  for (const std::string& id : request.ids) Execute(histories_.at(id), request.request_id, now);
  return reply;
}

DescribeReply Cloud::Describe(const DescribeRequest& request, Mono now) {
  DescribeReply answer;
  if (request.ids.size() > kMostIds || request.limit > kMostIds || request.limit == 0) {
    answer.reply = {"InvalidParameterValue.LimitExceeded", "At most 100 are possible."};
    return answer;
  }
  const Mono seen = now - nature_.DescribeLag();
  const auto consider = [&](const std::string& id) {
    const auto found = histories_.find(id);
    if (found == histories_.end()) return;
    const Instance* i = At(found->second, seen);
    if (i == nullptr || i->gone || i->region != request.region) return;
    ++answer.total;
    if (answer.total > request.offset && answer.instances.size() < request.limit) {
      answer.instances.push_back(*i);
    }
  };
  if (request.ids.empty()) {
    for (const auto& [id, history] : histories_) consider(id);
  }
  for (const std::string& id : std::set<std::string>(request.ids.begin(), request.ids.end())) {
    consider(id);
  }
  return answer;
}

}  // namespace simulator
