// Transport: sends one HTTP/1.1 request and reports what became of it. It never sends a request
// again on its own once the other side may have seen it, and it follows no redirect.

#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/secret.h"
#include "base/time.h"
#include "http/message.h"

namespace http {

struct Request {
  std::string method = "GET";
  std::string url{};   // absolute, percent-encoded
  Headers headers{};   // refused when a name or value holds a control character
  std::string body{};  // sent when `has_body`
  bool has_body = false;
  base::Millis deadline{15'000};  // for the whole exchange; at the end of a stream too
  base::Millis idle{30'000};      // longest silence in any part of the exchange
  size_t max_body = 64u << 20;    // a longer answer is an error; streams are not bounded
  /// Asked right before the first byte of the body leaves, after connect and TLS, so that nothing
  /// leaves once it says no (S7). For a request without a body: right before it starts.
  std::function<bool()> may_send{};
  /// Use a connection that carried nothing before: needed for a request without a body that must
  /// not be executed twice, because the library repeats such a one on a reused connection.
  bool fresh_connection = false;
};

struct Response {
  int status = 0;
  Headers headers{};
  std::string body{};  // empty for a stream
};

enum class Flow { kContinue, kPause };

/// All run on the transport's one thread and must not block.
struct Handlers {
  /// Once, with the headers of the answer; for streams only.
  std::function<void(const Response&)> on_headers{};
  /// When set, the answer is a stream: its pieces come here in order, after on_headers. kPause
  /// stops reading from the socket until Call::Resume.
  std::function<Flow(std::string_view)> on_bytes{};
  /// Exactly once, at the end. An error's code says what is certain:
  ///   kUnavailable         nothing was executed (no connection, DNS, TLS, or body not sent)
  ///   kFailedPrecondition  nothing was executed: may_send said no
  ///   kInvalidArgument     nothing was sent: the request is malformed
  ///   kCancelled           cancelled; whether it was executed is unknown
  ///   kDeadlineExceeded    no complete answer; whether it was executed is unknown
  ///   kInternal            the answer is longer than max_body
  std::function<void(base::Result<Response>)> on_done{};
};

/// One exchange under way. Thread-safe. Dropping it does not stop the exchange.
class Call {
 public:
  virtual ~Call() = default;
  virtual void Cancel() = 0;
  virtual void Resume() = 0;
};

/// Thread-safe.
class Transport {
 public:
  virtual ~Transport() = default;
  virtual std::shared_ptr<Call> Send(Request request, Handlers handlers) = 0;
};

struct Tls {
  std::string ca_pem{};  // certificates to trust; empty: those of the system
  std::string client_certificate_pem{};
  base::Secret client_key_pem{};
  std::string server_name{};  // name to send and to verify instead of the URL's host
};

/// Runs `task` on the transport's thread after `delay`. Thread-safe.
void RunAfter(base::Millis delay, std::function<void()> task);

/// The transport on cpprestsdk. An error when the TLS material cannot be read.
base::Result<std::shared_ptr<Transport>> MakeTransport(const Tls& tls);

}  // namespace http
