#include "translate/cloud.h"

#include "retirement/durations.h"

namespace translate {
namespace {

using namespace retirement;

Sight SightOf(const cvm::Instance& i, InstanceId id) {
  Sight s;
  s.id = id;
  s.charge = ChargeType(i.charge_type);
  s.state = i.state;
  s.operating = i.latest_operation_state == "OPERATING";
  if (i.latest_operation_state == "FAILED" && i.latest_operation == "TerminateInstances") {
    s.operation_error = i.latest_operation_error;
  }
  s.terminated_last = i.latest_operation == "TerminateInstances";
  s.operation_failed = i.latest_operation_state == "FAILED";
  s.operation_request = CloudRequestId(i.latest_operation_request);
  s.protected_from_termination = i.protected_from_termination;
  s.name = i.name;
  s.private_ips = i.private_ips;
  return s;
}

retirement::Refusal RefusalOf(const cvm::Refusal& r, bool unreachable) {
  retirement::Refusal refusal;
  refusal.fault = unreachable ? Fault::kUnreachable : FaultOf(r.error_class);
  refusal.reason = ParseReason(r.reason).value_or(Reason::kNone);
  refusal.code = r.code;
  refusal.message = r.message;
  for (const std::string& text : cvm::QuotedIds(r.message)) {
    if (const auto id = InstanceId::Parse(text)) refusal.hinted.push_back(*id);
  }
  return refusal;
}

std::optional<ServiceTime> TimeOf(const std::optional<cvm::ServiceDate>& date) {
  if (!date) return std::nullopt;
  return ServiceTime{date->date, date->received};
}

Answered::Outcome OutcomeOf(cvm::TerminateOutcome::Kind kind) {
  using Kind = cvm::TerminateOutcome::Kind;
  switch (kind) {
    case Kind::kAccepted:
      return Answered::Outcome::kAccepted;
    case Kind::kNotSent:
      return Answered::Outcome::kNotSent;
    case Kind::kRefusedUnseen:
      return Answered::Outcome::kRefusedUnseen;
    case Kind::kRejected:
      return Answered::Outcome::kRejected;
    case Kind::kUnclear:
      return Answered::Outcome::kUnclear;
  }
  __builtin_unreachable();
}

}  // namespace

Fault FaultOf(cvm::ErrorClass error_class) {
  using cvm::ErrorClass;
  switch (error_class) {
    case ErrorClass::kThrottled:
      return Fault::kThrottled;
    case ErrorClass::kCredentials:
      return Fault::kCredentials;
    case ErrorClass::kExpired:
      return Fault::kExpired;
    case ErrorClass::kAccount:
      return Fault::kAccount;
    case ErrorClass::kLane:
      return Fault::kLane;
    case ErrorClass::kUnauthorized:
      return Fault::kUnauthorized;
    case ErrorClass::kServer:
      return Fault::kServer;
    case ErrorClass::kBusy:
      return Fault::kBusy;
    case ErrorClass::kObserve:
      return Fault::kObserve;
    case ErrorClass::kBlocked:
      return Fault::kBlocked;
    case ErrorClass::kFinal:
      return Fault::kFinal;
    case ErrorClass::kSplit:
      return Fault::kSplit;
    case ErrorClass::kDryRunOk:
      return Fault::kDryRunOk;
  }
  __builtin_unreachable();
}

Observed ReadObserved(const Observe& asked, const std::string& credential,
                      const cvm::DescribeOutcome& outcome) {
  Observed event{asked.lane,
                 asked.ids,
                 outcome.sent,
                 credential,
                 std::vector<Sight>{},
                 TimeOf(outcome.service_date),
                 asked.options.endpoint};
  if (const auto* refusal = std::get_if<cvm::Refusal>(&outcome.answer)) {
    event.answer = RefusalOf(*refusal, outcome.unreachable);
    return event;
  }
  std::vector<Sight> sights;
  for (const cvm::Instance& i : std::get<std::vector<cvm::Instance>>(outcome.answer)) {
    if (const auto id = InstanceId::Parse(i.id)) sights.push_back(SightOf(i, *id));
  }
  event.answer = std::move(sights);
  return event;
}

Answered ReadAnswered(const Call& call, const cvm::TerminateOutcome& outcome) {
  Answered event{call.lane,
                 call.sequence,
                 OutcomeOf(outcome.kind),
                 outcome.request_id,
                 RefusalOf(outcome.refusal, false),
                 false,
                 TimeOf(outcome.service_date)};
  event.fence_was_fresh =
      outcome.left_at != Mono{} && outcome.left_at - call.committed_at <= seconds{1};
  return event;
}

}  // namespace translate
