#include "cvm/client.h"

#include "base/clock.h"

namespace cvm {
namespace {

constexpr base::Millis kDescribeDeadline{15'000};
constexpr base::Millis kTerminateDeadline{30'000};
constexpr int kTooManyRequests = 429;

Refusal RefusalOf(const ApiError& error) {
  const ErrorRule rule = Classify(error.code);
  return {rule.error_class, std::string(rule.reason), error.code, error.message};
}

Refusal Broken(std::string message) { return {ErrorClass::kServer, "", "", std::move(message)}; }

bool IsUnseen(ErrorClass c) {
  return c == ErrorClass::kThrottled || c == ErrorClass::kCredentials || c == ErrorClass::kExpired;
}

std::optional<ServiceDate> DateOf(const base::Result<http::Response>& exchange) {
  if (!exchange) return std::nullopt;
  const auto date = base::ParseHttpDate(http::Find(exchange->headers, "Date"));
  if (!date) return std::nullopt;
  return ServiceDate{*date, base::MonoNow()};
}

std::string HttpStatus(const http::Response& response) {
  return "HTTP status " + std::to_string(response.status);
}

}  // namespace

TerminateOutcome JudgeTerminate(const base::Result<http::Response>& exchange) {
  using Kind = TerminateOutcome::Kind;
  TerminateOutcome outcome;
  if (!exchange) {
    const base::Code code = exchange.error().code;
    const bool not_sent = code == base::Code::kUnavailable ||
                          code == base::Code::kFailedPrecondition ||
                          code == base::Code::kInvalidArgument;
    outcome.kind = not_sent ? Kind::kNotSent : Kind::kUnclear;
    outcome.refusal = Broken(exchange.error().message);
    return outcome;
  }
  if (exchange->status == kTooManyRequests) {
    outcome.kind = Kind::kRefusedUnseen;
    outcome.refusal = {ErrorClass::kThrottled, "", "429", HttpStatus(*exchange)};
    return outcome;
  }
  base::JsonDocument json;
  const auto envelope = ReadEnvelope(json, exchange->body);
  if (exchange->status != 200 || !envelope) {
    outcome.refusal =
        Broken(exchange->status != 200 ? HttpStatus(*exchange) : envelope.error().message);
    return outcome;
  }
  outcome.request_id = envelope->request_id;
  if (!envelope->error) {
    outcome.kind = envelope->request_id.empty() ? Kind::kUnclear : Kind::kAccepted;
    return outcome;
  }
  outcome.refusal = RefusalOf(*envelope->error);
  outcome.kind = IsUnseen(outcome.refusal.error_class) ? Kind::kRefusedUnseen : Kind::kRejected;
  return outcome;
}

DescribeOutcome JudgeDescribe(const base::Result<http::Response>& exchange) {
  DescribeOutcome outcome;
  if (!exchange) {
    outcome.unreachable = true;
    outcome.answer = Broken(exchange.error().message);
    return outcome;
  }
  if (exchange->status != 200) {
    const bool throttled = exchange->status == kTooManyRequests || exchange->status == 503;
    outcome.answer = Refusal{throttled ? ErrorClass::kThrottled : ErrorClass::kServer, "", "",
                             HttpStatus(*exchange)};
    return outcome;
  }
  base::JsonDocument json;
  auto envelope = ReadEnvelope(json, exchange->body);
  if (!envelope) {
    outcome.answer = Broken(envelope.error().message);
  } else if (envelope->error) {
    outcome.answer = RefusalOf(*envelope->error);
  } else if (!envelope->total || *envelope->total != int64_t(envelope->instances.size())) {
    outcome.answer = Broken("the answer is not complete: TotalCount differs from the set");
  } else {
    outcome.answer = std::move(envelope->instances);
  }
  return outcome;
}

void Client::Describe(const Form& form, const Credentials& credentials, const Stamp& stamp,
                      const std::vector<std::string>& ids,
                      std::function<void(DescribeOutcome)> done) {
  auto request = DescribeRequest(form, credentials, stamp, ids);
  const base::Mono sent = base::MonoNow();
  const auto finish = [done, sent](const base::Result<http::Response>& exchange) {
    DescribeOutcome outcome = JudgeDescribe(exchange);
    outcome.sent = sent;
    outcome.service_date = DateOf(exchange);
    done(std::move(outcome));
  };
  if (!request) return finish(request.error());
  request->deadline = kDescribeDeadline;
  http::Handlers handlers;
  handlers.on_done = [transport = transport_, again = *request,
                      finish](base::Result<http::Response> exchange) {
    const bool lost = !exchange && (exchange.error().code == base::Code::kUnavailable ||
                                    exchange.error().code == base::Code::kDeadlineExceeded);
    if (!lost) return finish(exchange);
    http::Handlers last;
    last.on_done = finish;
    transport->Send(again, std::move(last));
  };
  transport_->Send(*std::move(request), std::move(handlers));
}

void Client::Terminate(const Form& form, const Credentials& credentials, const Stamp& stamp,
                       const TerminateInput& input, base::Mono send_before,
                       std::function<void(TerminateOutcome)> done) {
  auto request = TerminateRequest(form, credentials, stamp, input);
  auto left_at = std::make_shared<base::Mono>();
  const auto finish = [done, left_at](const base::Result<http::Response>& exchange) {
    TerminateOutcome outcome = JudgeTerminate(exchange);
    outcome.left_at = *left_at;
    outcome.service_date = DateOf(exchange);
    done(std::move(outcome));
  };
  if (!request) return finish(request.error());
  request->deadline = kTerminateDeadline;
  request->may_send = [send_before, left_at] {
    const base::Mono now = base::MonoNow();
    if (now >= send_before) return false;
    *left_at = now;
    return true;
  };
  http::Handlers handlers;
  handlers.on_done = finish;
  transport_->Send(*std::move(request), std::move(handlers));
}

}  // namespace cvm
