// Waiting for the end of an exchange in tests.

#pragma once

#include <future>
#include <memory>
#include <string>

#include "http/transport.h"

namespace http {

inline std::shared_ptr<Transport> PlainTransport() { return *MakeTransport({}); }

/// Sends and waits for the outcome.
inline base::Result<Response> Exchange(Transport& transport, Request request) {
  auto outcome = std::make_shared<std::promise<base::Result<Response>>>();
  Handlers handlers;
  handlers.on_done = [outcome](base::Result<Response> r) { outcome->set_value(std::move(r)); };
  transport.Send(std::move(request), std::move(handlers));
  return outcome->get_future().get();
}

inline Request Get(const std::string& url) {
  Request r;
  r.url = url;
  return r;
}

inline Request Post(const std::string& url, std::string body) {
  Request r;
  r.method = "POST";
  r.url = url;
  r.headers = {{"Content-Type", "application/json"}};
  r.body = std::move(body);
  r.has_body = true;
  return r;
}

}  // namespace http
