// Server: a small HTTP/1.1 server with bounds on everything a stranger can send.

#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "base/time.h"
#include "http/message.h"

namespace http {

struct ServerRequest {
  std::string method{};
  std::string target{};  // as sent: path and query
  Headers headers{};
  std::string body{};
};

struct ServerResponse {
  int status = 200;
  Headers headers{};
  std::string body{};
  base::Millis delay{0};  // wait so long before the answer leaves
  bool drop = false;      // close the connection without an answer
  bool truncate = false;  // send half of the answer, then close
};

struct ServerLimits {
  size_t header_bytes = 8192;
  size_t body_bytes = 4096;
  size_t connections = 128;
  base::Millis patience{5000};  // for a whole request, and for a kept connection to speak again
};

/// Answers on a thread of its own; the handler runs there and must not block.
class Server {
 public:
  using Handler = std::function<ServerResponse(const ServerRequest&)>;

  /// Listens on `address`, "HOST:PORT" or ":PORT" for all interfaces; port 0 takes a free one.
  static base::Result<std::unique_ptr<Server>> Start(const std::string& address,
                                                     const ServerLimits& limits, Handler handler);
  virtual ~Server() = default;
  virtual int port() const = 0;
};

}  // namespace http
