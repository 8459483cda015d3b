// RawServer: a TCP server whose every connection is played by a script, for what no real server
// does on demand.

#pragma once

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace http {

/// One accepted connection.
class Peer {
 public:
  explicit Peer(int fd, std::function<void()> before_close = {})
      : fd_(fd), before_close_(std::move(before_close)) {}
  ~Peer() { Close(); }
  Peer(Peer&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)), before_close_(std::move(other.before_close_)) {}

  /// Reads a request with its Content-Length; "" at the end of the connection.
  std::string ReadRequest() {
    std::string text = ReadUntil("\r\n\r\n");
    if (text.empty()) return text;
    const size_t at = text.find("Content-Length: ");
    size_t rest = at == std::string::npos ? 0 : std::stoul(text.substr(at + 16));
    rest -= std::min(rest, text.size() - text.find("\r\n\r\n") - 4);
    char byte = 0;
    while (rest > 0 && ::recv(fd_, &byte, 1, 0) == 1) {
      text += byte;
      --rest;
    }
    return text;
  }
  bool Send(const std::string& text) {
    size_t done = 0;
    while (done < text.size()) {
      const ssize_t n = ::send(fd_, text.data() + done, text.size() - done, MSG_NOSIGNAL);
      if (n <= 0) return false;
      done += size_t(n);
    }
    return true;
  }
  /// Waits until the other side closes.
  void Drain() {
    char buffer[4096];
    while (::recv(fd_, buffer, sizeof buffer, 0) > 0) {
    }
  }
  /// Ends with RST instead of FIN.
  void Reset() {
    const linger hard{1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    Close();
  }
  void Close() {
    if (fd_ < 0) return;
    if (before_close_) before_close_();
    ::close(fd_);
    fd_ = -1;
  }
  int fd() const { return fd_; }

 private:
  std::string ReadUntil(const std::string& end) {
    std::string text;
    char byte = 0;
    while (text.find(end) == std::string::npos) {
      if (::recv(fd_, &byte, 1, 0) != 1) return "";
      text += byte;
    }
    return text;
  }
  int fd_;
  std::function<void()> before_close_;
};

class RawServer {
 public:
  using Script = std::function<void(Peer&)>;
  explicit RawServer(Script script) : script_(std::move(script)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address);
    ::listen(listener_, 512);
    socklen_t size = sizeof address;
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    acceptor_ = std::thread([this] { Accept(); });
  }
  ~RawServer() {
    ::shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    ::close(listener_);
    {
      const std::lock_guard lock(mutex_);
      for (const int fd : open_) ::shutdown(fd, SHUT_RDWR);
    }
    for (std::thread& t : threads_) t.join();
  }
  std::string Url(const std::string& scheme = "http") const {
    return scheme + "://127.0.0.1:" + std::to_string(port_);
  }
  std::atomic<int> requests{0};  // for scripts to count in

 private:
  void Accept() {
    while (true) {
      const int fd = ::accept(listener_, nullptr, nullptr);
      if (fd < 0) return;
      const std::lock_guard lock(mutex_);
      open_.insert(fd);
      threads_.emplace_back([this, fd] {
        Peer peer(fd, [this, fd] {
          const std::lock_guard closing(mutex_);
          open_.erase(fd);
        });
        script_(peer);
      });
    }
  }

  Script script_;
  int listener_ = -1;
  int port_ = 0;
  std::thread acceptor_;
  std::mutex mutex_;
  std::set<int> open_;
  std::vector<std::thread> threads_;
};

inline std::string Answer(const std::string& body, const std::string& more_headers = "") {
  return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
         more_headers + "\r\n" + body;
}

}  // namespace http
