// The only file that knows cpprestsdk's client. The library is archived upstream and has traps;
// the rules that keep us out of them are told where they apply.
#include "http/transport.h"

#include <cpprest/http_client.h>
#include <pplx/threadpool.h>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdlib>
#include <map>
#include <mutex>
#include <utility>  // Boost 1.74's awaitable.hpp needs std::exchange

#include "base/clock.h"
#include "http/streams.h"
#include "http/tls.h"

namespace http {
namespace {

namespace wc = web::http::client;
namespace cs = Concurrency::streams;

/// The library's pool, held to one thread: with more, a cancel races with TLS. Every start and
/// every cancel is posted to it, and nothing on it may block.
boost::asio::io_service& Io() {
  static std::once_flag once;
  std::call_once(once, [] {
    // Keeps the library from filling every context with the system's certificates: see tls.h.
    setenv("SSL_CERT_FILE", "/dev/null", 1);
    setenv("SSL_CERT_DIR", "/nonexistent", 1);
    crossplat::threadpool::initialize_with_threads(1);
  });
  return crossplat::threadpool::shared_instance().service();
}

struct Refused : std::runtime_error {
  using std::runtime_error::runtime_error;
};
struct TooLong : std::runtime_error {
  using std::runtime_error::runtime_error;
};

constexpr int kBadDescriptor = 9;  // a connection of the pool that was never connected
constexpr int kBrokenPipe = 32;    // the server had closed the kept connection
constexpr int kMaxStaleConnections = 3;

/// The library names the phase that failed in its message only: a code may stand for several
/// things (1 is both a name that was not found and, over TLS, an answer that broke off).
bool FailedBeforeTheEndOfTheHeader(std::string_view message) {
  for (const char* phase : {"Error resolving", "Failed to resolve", "Failed to connect",
                            "Error in SSL handshake", "Failed to write request headers"}) {
    if (message.starts_with(phase)) return true;
  }
  return false;
}

bool HasControlCharacter(std::string_view text) {
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return true;
  }
  return false;
}

/// The library does not check header values, so a line break in a token would inject headers.
base::Status Validate(const Request& request) {
  const auto wrong = [](const std::string& what) {
    return base::Error{.code = base::Code::kInvalidArgument,
                       .message = what + " holds a blank or control character"};
  };
  for (const auto& [name, value] : request.headers) {
    if (HasControlCharacter(name) || HasControlCharacter(value)) return wrong("header " + name);
  }
  if (HasControlCharacter(request.url) || request.url.find(' ') != std::string::npos) {
    return wrong("the URL");
  }
  return base::Ok();
}

/// One exchange. Everything but Cancel and Resume runs on the library's thread.
class Exchange : public Call, public std::enable_shared_from_this<Exchange> {
 public:
  using Connect = std::function<std::shared_ptr<wc::http_client>()>;
  Exchange(Request request, Handlers handlers, Connect connect)
      : request_(std::move(request)),
        handlers_(std::move(handlers)),
        connect_(std::move(connect)),
        timer_(Io()) {}

  void Start() {
    auto self = shared_from_this();
    timer_.expires_after(request_.deadline);
    timer_.async_wait([self](const boost::system::error_code& stopped) {
      if (!stopped) self->OnDeadline();
    });
    Attempt();
  }

  void Cancel() override {
    boost::asio::post(Io(), [self = shared_from_this()] {
      self->Finish(base::Error{.code = base::Code::kCancelled, .message = "cancelled"});
      self->Stop();
    });
  }

  void Resume() override {
    boost::asio::post(Io(), [self = shared_from_this()] { self->Release(); });
  }

 private:
  void Attempt() {
    if (done_) return;
    try {
      if (!request_.has_body && request_.may_send) AskPermission();
      auto self = shared_from_this();
      client_ = connect_();
      client_->request(Message(), cts_.get_token())
          .then([self](web::http::http_response response) {
            self->OnHeaders(response);
            return response.content_ready();
          })
          // Task-based, so that no failed task stays unobserved: the library would end the process.
          .then([self](pplx::task<web::http::http_response> task) {
            try {
              task.get();
              self->Finish(std::move(self->response_));
            } catch (...) {
              self->OnFailure(std::current_exception());
            }
          });
    } catch (...) {
      OnFailure(std::current_exception());
    }
  }

  web::http::http_request Message() {
    web::http::http_request message(request_.method);
    const web::uri whole(request_.url);
    message.set_request_uri(whole.resource());
    std::string type = "application/octet-stream";
    for (const auto& [name, value] : request_.headers) {
      if (name == "Content-Type") {
        type = value;
      } else {
        message.headers().add(name, value);
      }
    }
    if (request_.has_body) AddBody(message, type);
    auto self = shared_from_this();
    auto sink = std::make_shared<Sink>([self](const char* data, size_t size) {
      return self->OnBytes({data, size});
    });
    message.set_response_stream(
        cs::ostream(cs::streambuf<uint8_t>(std::static_pointer_cast<ByteBuffer>(sink))));
    return message;
  }

  void AddBody(web::http::http_request& message, const std::string& type) {
    auto self = shared_from_this();
    auto source = std::make_shared<Source>(request_.body, [self] { self->AskPermission(); });
    message.set_body(
        cs::istream(cs::streambuf<uint8_t>(std::static_pointer_cast<ByteBuffer>(source))),
        request_.body.size(), type);
  }

  /// S7: after the end of the exchange, or when may_send says no, not one byte leaves.
  void AskPermission() {
    if (done_ || (request_.may_send && !request_.may_send())) throw Refused("may not be sent now");
    body_left_ = true;
  }

  void OnHeaders(const web::http::http_response& response) {
    response_.status = response.status_code();
    for (const auto& [name, value] : response.headers())
      response_.headers.emplace_back(name, value);
    headers_seen_ = true;
    if (done_ || !handlers_.on_bytes) return;
    if (handlers_.on_headers) handlers_.on_headers(response_);
    if (early_.empty()) return;
    if (handlers_.on_bytes(std::exchange(early_, {})) == Flow::kPause) Pause();
  }

  /// Pieces of the body may come before the headers do.
  pplx::task<void> OnBytes(std::string_view bytes) {
    if (done_) throw Refused("nobody wants the answer");
    if (!handlers_.on_bytes) {
      response_.body += bytes;
      if (response_.body.size() > request_.max_body) throw TooLong("the answer is too long");
    } else if (!headers_seen_) {
      early_ += bytes;
      if (early_.size() > kMaxEarly) throw TooLong("64 KiB of body before the headers");
    } else if (handlers_.on_bytes(bytes) == Flow::kPause) {
      Pause();
    }
    if (!paused_) return pplx::task_from_result();
    return pplx::create_task(gate_);
  }

  void Pause() {
    if (paused_) return;
    paused_ = true;
    gate_ = {};
  }

  void Release() {
    if (!std::exchange(paused_, false)) return;
    gate_.set();
  }

  void OnDeadline() {
    Finish(Unknown("no complete answer within " + base::FormatDuration(request_.deadline)));
    Stop();
  }

  /// Stops the library's chain; a paused one would wait for ever.
  void Stop() {
    cts_.cancel();
    Release();
  }

  void OnFailure(std::exception_ptr failure) {
    try {
      std::rethrow_exception(failure);
    } catch (const Refused& e) {
      Finish(base::Error{.code = base::Code::kFailedPrecondition, .message = e.what()});
    } catch (const TooLong& e) {
      Finish(base::Error{.code = base::Code::kInternal, .message = e.what()});
    } catch (const web::uri_exception& e) {
      Finish(base::Error{.code = base::Code::kInvalidArgument, .message = e.what()});
    } catch (const web::http::http_exception& e) {
      OnHttpFailure(e.error_code().value(), e.what());
    } catch (const std::exception& e) {
      Finish(Unknown(e.what()));
    }
  }

  /// The server may close a kept connection at any time. What failed in these ways was not
  /// processed, so starting again is no repetition.
  void OnHttpFailure(int code, const std::string& message) {
    const bool writing = message.starts_with("Failed to write");
    // Told in several codes; the body has not even been asked for then.
    const bool header_unsent =
        request_.has_body && !body_left_ && message.starts_with("Failed to write request headers");
    const bool stale =
        header_unsent || (writing && (code == kBadDescriptor || code == kBrokenPipe));
    if (stale && !headers_seen_ && ++stale_connections_ <= kMaxStaleConnections && !done_) {
      auto self = shared_from_this();
      body_left_ = false;
      return boost::asio::post(Io(), [self] { self->Attempt(); });
    }
    // S3: what has left entirely may have been executed, however the exchange ended.
    if (stale || (!body_left_ && FailedBeforeTheEndOfTheHeader(message))) {
      return Finish(base::Error{.code = base::Code::kUnavailable, .message = message});
    }
    Finish(Unknown(message));
  }

  /// A request whose body has not left cannot have been executed, whatever became of it.
  base::Error Unknown(const std::string& message) const {
    const bool not_sent = request_.has_body && !body_left_;
    return {.code = not_sent ? base::Code::kUnavailable : base::Code::kDeadlineExceeded,
            .message = message};
  }

  void Finish(base::Result<Response> outcome) {
    if (std::exchange(done_, true)) return;
    timer_.cancel();
    const Handlers handlers = std::exchange(handlers_, {});
    if (handlers.on_done) handlers.on_done(std::move(outcome));
  }

  static constexpr size_t kMaxEarly = 64u << 10;

  Request request_;
  Handlers handlers_;
  Connect connect_;
  boost::asio::steady_timer timer_;
  std::shared_ptr<wc::http_client> client_;
  pplx::cancellation_token_source cts_;
  pplx::task_completion_event<void> gate_;
  Response response_;
  std::string early_;
  bool headers_seen_ = false;
  bool body_left_ = false;
  bool paused_ = false;
  bool done_ = false;
  int stale_connections_ = 0;
};

class CpprestTransport : public Transport {
 public:
  explicit CpprestTransport(std::shared_ptr<TlsMaterial> tls) : tls_(std::move(tls)) { Io(); }

  std::shared_ptr<Call> Send(Request request, Handlers handlers) override {
    const base::Status valid = Validate(request);
    if (valid && !tls_->server_name().empty()) {
      request.headers.emplace_back("Host", tls_->server_name());
    }
    auto exchange = std::make_shared<Exchange>(
        request, handlers,
        [this, url = request.url, idle = request.idle, fresh = request.fresh_connection] {
          return Client(url, idle, fresh);
        });
    boost::asio::post(Io(), [exchange, valid, handlers] {
      if (valid) return exchange->Start();
      if (handlers.on_done) handlers.on_done(valid.error());
    });
    return exchange;
  }

 private:
  /// On the library's thread only.
  std::shared_ptr<wc::http_client> Client(const std::string& url, base::Millis idle, bool fresh) {
    const web::uri authority = web::uri(url).authority();
    if (fresh) return std::make_shared<wc::http_client>(authority, Config(idle));
    auto& client = clients_[{authority.to_string(), idle}];
    if (!client) client = std::make_shared<wc::http_client>(authority, Config(idle));
    return client;
  }

  wc::http_client_config Config(base::Millis idle) const {
    wc::http_client_config config;
    config.set_timeout(idle);
    config.set_max_redirects(0);  // the library would send Authorization to the other host
    config.set_ssl_context_callback(
        [tls = tls_](boost::asio::ssl::context& context) { tls->Apply(context.native_handle()); });
    return config;
  }

  std::shared_ptr<TlsMaterial> tls_;
  std::map<std::pair<std::string, base::Millis>, std::shared_ptr<wc::http_client>> clients_;
};

}  // namespace

void RunAfter(base::Millis delay, std::function<void()> task) {
  boost::asio::post(Io(), [delay, task = std::move(task)] {
    auto timer = std::make_shared<boost::asio::steady_timer>(Io(), delay);
    timer->async_wait([timer, task](const boost::system::error_code& stopped) {
      if (!stopped) task();
    });
  });
}

base::Result<std::shared_ptr<Transport>> MakeTransport(const Tls& tls) {
  auto material = TlsMaterial::Load(tls);
  if (!material) return material.error();
  return std::shared_ptr<Transport>(std::make_shared<CpprestTransport>(*material));
}

}  // namespace http
