// Each test reproduces a trap of the HTTP library that the adapter must keep away from its users.
#include "http/transport.h"

#include <dirent.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <fstream>
#include <set>

#include "http/exchange.h"
#include "http/raw_server.h"

namespace http {
namespace {

using base::Code;

size_t OpenFiles() {
  size_t count = 0;
  DIR* directory = opendir("/proc/self/fd");
  while (readdir(directory) != nullptr) ++count;
  closedir(directory);
  return count;
}

long ResidentKb() {
  std::ifstream statm("/proc/self/statm");
  long total = 0;
  long resident = 0;
  statm >> total >> resident;
  return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

/// Answers every request on a kept connection.
void Serve(RawServer*& server, Peer& peer) {
  while (!peer.ReadRequest().empty()) {
    ++server->requests;
    if (!peer.Send(Answer("ok"))) return;
  }
}

TEST(TransportTest, KeepsAConnectionForSeveralRequests) {
  std::atomic<int> connections{0};
  RawServer server([&](Peer& peer) {
    ++connections;
    while (!peer.ReadRequest().empty()) peer.Send(Answer("ok"));
  });
  auto transport = PlainTransport();
  for (int i = 0; i < 20; ++i) {
    const auto answer = Exchange(*transport, Post(server.Url() + "/", "{}"));
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_EQ(answer->body, "ok");
  }
  EXPECT_LE(connections, 4);
}

// The server closes after each answer, so every pooled connection is stale.
TEST(TransportTest, APostOnAStaleConnectionIsNoErrorAndIsExecutedOnce) {
  std::atomic<int> executions{0};
  std::atomic<int> closed{0};
  RawServer server([&](Peer& peer) {
    if (!peer.ReadRequest().empty()) {
      ++executions;
      peer.Send(Answer("ok"));
      peer.Close();
      ++closed;
    }
  });
  auto transport = PlainTransport();
  int clean = 0;
  for (int i = 0; i < 100; ++i) {
    clean += bool(Exchange(*transport, Post(server.Url() + "/", "{}")));
    // The next one begins when the connection is certainly closed: before, it would be unclear.
    while (closed < executions) std::this_thread::yield();
  }
  EXPECT_EQ(clean, 100);
  EXPECT_EQ(executions, 100);
}

void ExpectOneExecution(bool reset, Request request) {
  std::atomic<int> executions{0};
  RawServer server([&](Peer& peer) {
    while (true) {
      const std::string text = peer.ReadRequest();
      if (text.empty()) return;
      if (text.find("/warm") != std::string::npos) {
        peer.Send(Answer("ok"));
        continue;
      }
      ++executions;
      if (reset) peer.Reset();
      return;
    }
  });
  auto transport = PlainTransport();
  ASSERT_TRUE(Exchange(*transport, Get(server.Url() + "/warm")));
  request.url = server.Url() + "/act";
  const auto answer = Exchange(*transport, request);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Code::kDeadlineExceeded) << answer.error().message;
  EXPECT_EQ(executions, 1);
}

TEST(TransportTest, APostWhoseAnswerIsLostIsExecutedOnceAndUnclear) {
  ExpectOneExecution(false, Post("", "{}"));
  ExpectOneExecution(true, Post("", "{}"));
}

TEST(TransportTest, AGetOnAFreshConnectionWhoseAnswerIsLostIsExecutedOnceAndUnclear) {
  Request request;
  request.fresh_connection = true;
  ExpectOneExecution(false, request);
  ExpectOneExecution(true, request);
}

TEST(TransportTest, NoConnectionMeansNotSent) {
  int port = 0;
  {
    RawServer gone([](Peer&) {});
    port = std::stoi(gone.Url().substr(17));
  }
  auto transport = PlainTransport();
  const std::string url = "http://127.0.0.1:" + std::to_string(port) + "/";
  const auto answer = Exchange(*transport, Post(url, "{}"));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Code::kUnavailable);
}

// S7: the fence sits where the bytes leave.
TEST(TransportTest, NothingOfTheBodyLeavesOncePermissionIsGone) {
  std::string seen;
  std::mutex mutex;
  RawServer server([&](Peer& peer) {
    char buffer[4096];
    ssize_t n = 0;
    while ((n = ::recv(peer.fd(), buffer, sizeof buffer, 0)) > 0) {
      const std::lock_guard lock(mutex);
      seen.append(buffer, size_t(n));
    }
  });
  auto transport = PlainTransport();
  Request request = Post(server.Url() + "/", R"({"InstanceIds":["ins-00000001"]})");
  request.may_send = [] { return false; };
  const auto answer = Exchange(*transport, request);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Code::kFailedPrecondition) << answer.error().message;
  request.has_body = false;
  request.body.clear();
  request.method = "GET";
  const auto get = Exchange(*transport, request);
  ASSERT_FALSE(get);
  EXPECT_EQ(get.error().code, Code::kFailedPrecondition);
  const std::lock_guard lock(mutex);
  EXPECT_EQ(seen.find("InstanceIds"), std::string::npos) << seen;
}

TEST(TransportTest, TheDeadlineIsHardAndUnclear) {
  RawServer server([](Peer& peer) {
    peer.ReadRequest();
    peer.Drain();
  });
  auto transport = PlainTransport();
  Request request = Post(server.Url() + "/", "{}");
  request.deadline = base::Millis{200};
  const auto answer = Exchange(*transport, request);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Code::kDeadlineExceeded);
}

TEST(TransportTest, RedirectsAreNotFollowedAndTokensStay) {
  RawServer* other_self = nullptr;
  RawServer other([&](Peer& peer) { Serve(other_self, peer); });
  other_self = &other;
  RawServer server([&](Peer& peer) {
    peer.ReadRequest();
    peer.Send("HTTP/1.1 302 Found\r\nLocation: " + other.Url() + "/\r\nContent-Length: 0\r\n\r\n");
    peer.Drain();
  });
  auto transport = PlainTransport();
  Request request = Get(server.Url() + "/");
  request.headers = {{"Authorization", "Bearer token"}};
  const auto answer = Exchange(*transport, request);
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->status, 302);
  EXPECT_EQ(other.requests, 0);
}

TEST(TransportTest, LineBreaksInHeadersAndUrlsAreRefused) {
  auto transport = PlainTransport();
  for (const std::string& value : {std::string("token\r\nX-Evil: 1"), std::string("token\n"),
                                   std::string("a\0b", 3), std::string("\x7f")}) {
    Request request = Get("http://127.0.0.1:1/");
    request.headers = {{"Authorization", value}};
    const auto answer = Exchange(*transport, request);
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().code, Code::kInvalidArgument);
  }
  const auto answer = Exchange(*transport, Get("http://127.0.0.1:1/a b"));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Code::kInvalidArgument);
}

TEST(TransportTest, AnAnswerLongerThanAllowedIsAnError) {
  RawServer server([](Peer& peer) {
    peer.ReadRequest();
    peer.Send(Answer(std::string(200'000, 'x')));
    peer.Drain();
  });
  auto transport = PlainTransport();
  Request request = Get(server.Url() + "/");
  request.max_body = 100'000;
  const auto answer = Exchange(*transport, request);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Code::kInternal);
}

TEST(TransportTest, AnAbsurdChunkSizeIsACleanError) {
  RawServer server([](Peer& peer) {
    peer.ReadRequest();
    peer.Send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\nabc\r\n");
    peer.Close();
  });
  auto transport = PlainTransport();
  EXPECT_FALSE(Exchange(*transport, Get(server.Url() + "/")));
}

TEST(TransportTest, AServerThatDiesWithinAChunkIsAnError) {
  RawServer server([](Peer& peer) {
    peer.ReadRequest();
    peer.Send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nabc");
    peer.Close();
  });
  auto transport = PlainTransport();
  const auto answer = Exchange(*transport, Get(server.Url() + "/"));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Code::kDeadlineExceeded);
}

std::string Chunk(const std::string& text) {
  char size[32];
  std::snprintf(size, sizeof size, "%zx\r\n", text.size());
  return size + text + "\r\n";
}
constexpr const char* kChunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

struct Stream {
  std::promise<base::Result<Response>> done;
  std::string bytes;
  int status = 0;
  bool bytes_before_headers = false;

  Handlers Handle() {
    Handlers h;
    h.on_headers = [this](const Response& r) { status = r.status; };
    h.on_bytes = [this](std::string_view b) {
      bytes_before_headers = bytes_before_headers || status == 0;
      bytes += b;
      return Flow::kContinue;
    };
    h.on_done = [this](base::Result<Response> r) { done.set_value(std::move(r)); };
    return h;
  }
};

// The library hands out body bytes before it tells the headers.
TEST(TransportTest, AStreamTellsItsHeadersBeforeItsBytes) {
  RawServer server([](Peer& peer) {
    while (!peer.ReadRequest().empty()) peer.Send(kChunked + Chunk("first") + "0\r\n\r\n");
  });
  auto transport = PlainTransport();
  for (int i = 0; i < 200; ++i) {
    Stream stream;
    transport->Send(Get(server.Url() + "/"), stream.Handle());
    ASSERT_TRUE(stream.done.get_future().get());
    ASSERT_FALSE(stream.bytes_before_headers);
    ASSERT_EQ(stream.bytes, "first");
  }
}

// What comes before the headers is kept, 64 KiB at most: never lost, never without bound.
TEST(TransportTest, BytesBeforeTheHeadersAreKeptUpToABound) {
  const std::string fits(60 << 10, 'x');
  const std::string large(1 << 20, 'x');
  RawServer server([&](Peer& peer) {
    for (std::string r = peer.ReadRequest(); !r.empty(); r = peer.ReadRequest()) {
      const bool is_large = r.find("/large") != std::string::npos;
      peer.Send(kChunked + Chunk(is_large ? large : fits) + "0\r\n\r\n");
    }
  });
  auto transport = PlainTransport();
  for (int i = 0; i < 50; ++i) {
    Stream small;
    transport->Send(Get(server.Url() + "/fits"), small.Handle());
    ASSERT_TRUE(small.done.get_future().get());
    ASSERT_EQ(small.bytes.size(), fits.size());
    Stream big;
    transport->Send(Get(server.Url() + "/large"), big.Handle());
    const auto end = big.done.get_future().get();
    if (end) {
      ASSERT_EQ(big.bytes.size(), large.size());
    } else {
      ASSERT_NE(end.error().message.find("64 KiB of body before the headers"), std::string::npos)
          << end.error().message;
    }
  }
}

TEST(TransportTest, ASilentStreamEndsAtItsIdleTimeOutAndASpeakingOneLives) {
  RawServer server([](Peer& peer) {
    const bool speak = peer.ReadRequest().find("/speak") != std::string::npos;
    peer.Send(std::string(kChunked) + Chunk("hello"));
    timeval third{0, 300'000};
    ::setsockopt(peer.fd(), SOL_SOCKET, SO_RCVTIMEO, &third, sizeof third);
    char byte = 0;
    for (int i = 0; speak && i < 6; ++i) {
      ::recv(peer.fd(), &byte, 1, 0);  // waits 0.3 s: the client sends nothing
      peer.Send(Chunk("again"));
    }
    if (speak) peer.Send("0\r\n\r\n");
    timeval none{0, 0};
    ::setsockopt(peer.fd(), SOL_SOCKET, SO_RCVTIMEO, &none, sizeof none);
    peer.Drain();
  });
  auto transport = PlainTransport();
  Request request = Get(server.Url() + "/silent");
  request.idle = base::Millis{1'000};
  Stream silent;
  transport->Send(request, silent.Handle());
  EXPECT_FALSE(silent.done.get_future().get());
  EXPECT_EQ(silent.bytes, "hello");
  request.url = server.Url() + "/speak";
  Stream speaking;
  transport->Send(request, speaking.Handle());
  const auto end = speaking.done.get_future().get();
  EXPECT_TRUE(end) << end.error().message;
  EXPECT_EQ(speaking.bytes.size(), 5u * 7);
}

TEST(TransportTest, BackPressureKeepsMemoryFlat) {
  constexpr size_t kChunks = 960;
  RawServer server([](Peer& peer) {
    peer.ReadRequest();
    peer.Send(kChunked);
    const std::string chunk = Chunk(std::string(64 << 10, 'x'));
    for (size_t i = 0; i < kChunks; ++i) {
      if (!peer.Send(chunk)) return;
    }
    peer.Send("0\r\n\r\n");
    peer.Drain();
  });
  auto transport = PlainTransport();
  const long before = ResidentKb();
  std::atomic<size_t> received{0};
  std::atomic<bool> paused{false};
  std::promise<base::Result<Response>> done;
  Handlers h;
  h.on_bytes = [&](std::string_view b) {
    received += b.size();
    paused = true;
    return Flow::kPause;
  };
  h.on_done = [&](base::Result<Response> r) { done.set_value(std::move(r)); };
  auto call = transport->Send(Get(server.Url() + "/"), h);
  auto end = done.get_future();
  long most = before;
  while (end.wait_for(std::chrono::milliseconds(0)) != std::future_status::ready) {
    if (paused.exchange(false)) call->Resume();
    most = std::max(most, ResidentKb());
    std::this_thread::yield();
  }
  EXPECT_TRUE(end.get());
  EXPECT_EQ(received, kChunks * (64 << 10));
  EXPECT_LT(most - before, 20'000);
}

TEST(TransportTest, CancelEndsAStreamAndAPausedOneToo) {
  RawServer server([](Peer& peer) {
    peer.ReadRequest();
    peer.Send(std::string(kChunked) + Chunk("hello"));
    peer.Drain();
  });
  auto transport = PlainTransport();
  std::promise<void> paused;
  std::promise<base::Result<Response>> done;
  Handlers h;
  h.on_bytes = [&](std::string_view) {
    paused.set_value();
    return Flow::kPause;
  };
  h.on_done = [&](base::Result<Response> r) { done.set_value(std::move(r)); };
  auto call = transport->Send(Get(server.Url() + "/"), h);
  paused.get_future().wait();
  call->Cancel();
  const auto end = done.get_future().get();
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().code, Code::kCancelled);
}

TEST(TransportTest, OpeningAndCancellingLeaksNothing) {
  RawServer server([](Peer& peer) {
    peer.ReadRequest();
    peer.Send(std::string(kChunked) + Chunk("hello"));
    peer.Drain();
  });
  auto transport = PlainTransport();
  const auto round = [&] {
    std::promise<void> first;
    std::promise<void> done;
    auto told = std::make_shared<std::atomic<bool>>(false);
    Handlers h;
    h.on_bytes = [&, told](std::string_view) {
      if (!told->exchange(true)) first.set_value();
      return Flow::kContinue;
    };
    h.on_done = [&](base::Result<Response>) { done.set_value(); };
    auto call = transport->Send(Get(server.Url() + "/"), h);
    first.get_future().wait();
    call->Cancel();
    done.get_future().wait();
  };
  for (int i = 0; i < 20; ++i) round();
  const size_t before = OpenFiles();
  for (int i = 0; i < 1000; ++i) round();
  EXPECT_LT(OpenFiles(), before + 40);
}

}  // namespace
}  // namespace http
