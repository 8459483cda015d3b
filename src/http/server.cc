// The only file that knows Boost.Beast.
#include "http/server.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <charconv>
#include <optional>
#include <thread>
#include <utility>  // Boost 1.74's awaitable.hpp needs std::exchange

namespace http {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace bhttp = boost::beast::http;
using Tcp = asio::ip::tcp;
using boost::system::error_code;

class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(Tcp::socket socket, const ServerLimits& limits, const Server::Handler& handler,
          std::shared_ptr<size_t> open)
      : stream_(std::move(socket)),
        timer_(stream_.get_executor()),
        limits_(limits),
        handler_(handler),
        open_(std::move(open)) {
    ++*open_;
  }
  ~Session() { --*open_; }

  void Read() {
    parser_.emplace();
    parser_->header_limit(uint32_t(limits_.header_bytes));
    parser_->body_limit(limits_.body_bytes);
    stream_.expires_after(limits_.patience);
    bhttp::async_read(stream_, buffer_, *parser_,
                      [self = shared_from_this()](error_code failure, size_t) {
                        if (!failure) return self->Answer();
                        self->Refuse(failure);
                      });
  }

 private:
  void Answer() {
    const auto& message = parser_->get();
    ServerRequest request{
        std::string(message.method_string()), std::string(message.target()), {}, message.body()};
    for (const auto& field : message) {
      request.headers.emplace_back(std::string(field.name_string()), std::string(field.value()));
    }
    ServerResponse answer = handler_(request);
    const bool keep = message.keep_alive();
    if (answer.delay == base::Millis{0}) return Write(answer, keep);
    stream_.expires_never();
    timer_.expires_after(answer.delay);
    timer_.async_wait(
        [self = shared_from_this(), answer, keep](error_code) { self->Write(answer, keep); });
  }

  void Refuse(error_code failure) {
    if (failure == bhttp::error::header_limit || failure == bhttp::error::body_limit) {
      return Write({.status = failure == bhttp::error::body_limit ? 413 : 431,
                    .headers = {},
                    .body = "more than this server takes\n"},
                   false);
    }
    const bool garbage =
        failure.category() == make_error_code(bhttp::error::bad_line_ending).category();
    if (garbage && failure != bhttp::error::end_of_stream) {
      return Write({.status = 400, .headers = {}, .body = "not an HTTP request\n"}, false);
    }
    Close();
  }

  void Write(const ServerResponse& answer, bool keep) {
    if (answer.drop) return Close();
    message_ = {bhttp::int_to_status(unsigned(answer.status)), 11};
    for (const auto& [name, value] : answer.headers) message_.set(name, value);
    message_.keep_alive(keep);
    message_.body() = answer.body;
    message_.prepare_payload();
    if (answer.truncate) return WriteHalf();
    stream_.expires_after(limits_.patience);
    bhttp::async_write(stream_, message_,
                       [self = shared_from_this(), keep](error_code failure, size_t) {
                         failure || !keep ? self->Close() : self->Read();
                       });
  }

  void WriteHalf() {
    std::ostringstream text;
    text << message_;
    half_ = text.str().substr(0, text.str().size() - message_.body().size() / 2 - 1);
    asio::async_write(stream_, asio::buffer(half_),
                      [self = shared_from_this()](error_code, size_t) { self->Close(); });
  }

  void Close() {
    error_code ignored;
    stream_.socket().shutdown(Tcp::socket::shutdown_both, ignored);
    stream_.close();
  }

  beast::tcp_stream stream_;
  asio::steady_timer timer_;
  const ServerLimits& limits_;
  const Server::Handler& handler_;
  std::shared_ptr<size_t> open_;
  beast::flat_buffer buffer_;
  std::optional<bhttp::request_parser<bhttp::string_body>> parser_;
  bhttp::response<bhttp::string_body> message_;
  std::string half_;
};

class BeastServer : public Server {
 public:
  BeastServer(const ServerLimits& limits, Handler handler)
      : limits_(limits), handler_(std::move(handler)), acceptor_(io_) {}

  ~BeastServer() override {
    io_.stop();
    if (thread_.joinable()) thread_.join();
  }

  base::Status Listen(const Tcp::endpoint& endpoint) {
    error_code failure;
    acceptor_.open(endpoint.protocol(), failure);
    if (!failure) acceptor_.set_option(asio::socket_base::reuse_address(true), failure);
    if (!failure) acceptor_.bind(endpoint, failure);
    if (!failure) acceptor_.listen(asio::socket_base::max_listen_connections, failure);
    if (failure) {
      return base::Error{.code = base::Code::kUnavailable, .message = failure.message()};
    }
    Accept();
    thread_ = std::thread([this] { io_.run(); });
    return base::Ok();
  }

  int port() const override { return acceptor_.local_endpoint().port(); }

 private:
  void Accept() {
    acceptor_.async_accept([this](error_code failure, Tcp::socket socket) {
      // One connection too many is closed at once, so that the others keep being served.
      if (!failure && *open_ < limits_.connections) {
        std::make_shared<Session>(std::move(socket), limits_, handler_, open_)->Read();
      }
      if (failure == asio::error::operation_aborted) return;
      Accept();
    });
  }

  ServerLimits limits_;
  Handler handler_;
  std::shared_ptr<size_t> open_ = std::make_shared<size_t>(0);
  asio::io_context io_{1};
  Tcp::acceptor acceptor_;
  std::thread thread_;
};

base::Result<Tcp::endpoint> ParseAddress(const std::string& address) {
  const size_t colon = address.rfind(':');
  const auto wrong = base::Error{.code = base::Code::kInvalidArgument,
                                 .message = "\"" + address + "\" is not HOST:PORT or :PORT"};
  if (colon == std::string::npos) return wrong;
  uint16_t port = 0;
  const char* const last = address.data() + address.size();
  const auto [end, failure] = std::from_chars(address.data() + colon + 1, last, port);
  if (failure != std::errc{} || end != last) return wrong;
  std::string host = address.substr(0, colon);
  if (host.starts_with("[") && host.ends_with("]")) host = host.substr(1, host.size() - 2);
  if (host.empty()) return Tcp::endpoint(Tcp::v4(), port);
  if (host == "localhost") host = "127.0.0.1";
  error_code bad;
  const auto ip = asio::ip::make_address(host, bad);
  if (bad) return wrong;
  return Tcp::endpoint(ip, port);
}

}  // namespace

base::Result<std::unique_ptr<Server>> Server::Start(const std::string& address,
                                                    const ServerLimits& limits, Handler handler) {
  auto endpoint = ParseAddress(address);
  if (!endpoint) return endpoint.error();
  auto server = std::make_unique<BeastServer>(limits, std::move(handler));
  auto listening = server->Listen(*endpoint);
  if (!listening) return WithContext(listening.error(), "listen on " + address);
  return std::unique_ptr<Server>(std::move(server));
}

}  // namespace http
