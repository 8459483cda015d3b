// Result<T>: a value or an Error. The one dialect of failure in this project.

#pragma once

#include <cassert>
#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace base {

enum class Code {
  kCancelled,           // we are shutting down, or nobody wants the answer any more
  kInvalidArgument,     // the request is wrong; the same one always fails
  kDeadlineExceeded,    // no clean answer; whether it took effect is unknown
  kNotFound,            // the object is not there
  kAlreadyExists,       // a create met an object of the same name
  kAborted,             // conflict: read again, then decide again
  kPermissionDenied,    // credentials are valid but not allowed to do this
  kUnauthenticated,     // credentials are missing, wrong or expired
  kResourceExhausted,   // throttled, certainly not executed; see Error::retry_after
  kFailedPrecondition,  // the object's state forbids this now
  kUnavailable,         // certainly not executed: no connection; try again with backoff
  kExpired,             // a resourceVersion or continue token is too old (410)
  kInternal,            // a bug here, or an answer we cannot parse
};

/// The name of `code` as logs and messages show it.
const char* ToString(Code code);

/// `message` is for people: what was tried, on what, what came back. `reason` is the other side's
/// own code (a Kubernetes reason, a cloud error code); control flow reads `code`, never texts.
struct Error {
  Code code = Code::kInternal;
  std::string message{};
  std::string reason{};
  std::string request_id{};
  std::optional<std::chrono::milliseconds> retry_after{};
};

/// The same error with `context` put before its message: "context: message".
Error WithContext(Error error, const std::string& context);

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  explicit operator bool() const { return state_.index() == 0; }
  T& value() { return std::get<0>(state_); }
  const T& value() const { return std::get<0>(state_); }
  T& operator*() & { return value(); }
  T&& operator*() && { return std::move(value()); }
  const T& operator*() const& { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  Error& error() { return std::get<1>(state_); }
  const Error& error() const { return std::get<1>(state_); }

 private:
  std::variant<T, Error> state_;
};

struct Unit {};
using Status = Result<Unit>;
inline Status Ok() { return Unit{}; }

template <class... Ts>
struct Overloaded : Ts... {
  using Ts::operator()...;
};
template <class... Ts>
Overloaded(Ts...) -> Overloaded<Ts...>;

}  // namespace base
