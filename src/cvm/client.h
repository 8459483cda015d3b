// Client: one signed call each. DescribeInstances is repeated once when its connection fails;
// TerminateInstances never.

#pragma once

#include <functional>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "cvm/errors.h"
#include "cvm/request.h"
#include "cvm/response.h"

namespace cvm {

struct Refusal {
  ErrorClass error_class = ErrorClass::kServer;
  std::string reason{};  // of a member's status
  std::string code{};
  std::string message{};
};

/// What the headers of an answer say about the service's clock.
struct ServiceDate {
  base::Wall date{};
  base::Mono received{};
};

struct DescribeOutcome {
  base::Mono sent{};
  /// The instances of a complete answer: TotalCount agrees with the set. Otherwise why not.
  std::variant<std::vector<Instance>, Refusal> answer{};
  bool unreachable = false;  // no connection
  std::optional<ServiceDate> service_date{};
};

struct TerminateOutcome {
  enum class Kind {
    kAccepted,       // an envelope without an error
    kNotSent,        // certainly nothing left, or nothing complete
    kRefusedUnseen,  // refused before anything was looked at
    kRejected,       // an error about the instances
    kUnclear,        // everything else: it may have been executed
  };
  Kind kind = Kind::kUnclear;
  std::string request_id{};
  Refusal refusal{};
  base::Mono left_at{};  // when the last permission to send was given; Mono{} for never
  std::optional<ServiceDate> service_date{};
};

/// Thread-safe; callbacks run on the transport's thread.
class Client {
 public:
  explicit Client(std::shared_ptr<http::Transport> transport) : transport_(std::move(transport)) {}

  void Describe(const Form& form, const Credentials& credentials, const Stamp& stamp,
                const std::vector<std::string>& ids, std::function<void(DescribeOutcome)> done);

  /// Nothing of it leaves after `send_before`.
  void Terminate(const Form& form, const Credentials& credentials, const Stamp& stamp,
                 const TerminateInput& input, base::Mono send_before,
                 std::function<void(TerminateOutcome)> done);

 private:
  std::shared_ptr<http::Transport> transport_;
};

/// What an HTTP exchange of TerminateInstances means. Pure.
TerminateOutcome JudgeTerminate(const base::Result<http::Response>& exchange);
/// What one of DescribeInstances means. Pure.
DescribeOutcome JudgeDescribe(const base::Result<http::Response>& exchange);

}  // namespace cvm
