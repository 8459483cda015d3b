#include "http/tls.h"

#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include <csignal>

#include "http/certificates.h"
#include "http/exchange.h"
#include "http/raw_server.h"

namespace http {
namespace {

/// Serves TLS on top of RawServer: answers every request with "ok", or, when it is `mute`, reads
/// one to its end and closes the connection without a word of TLS.
class TlsServer {
 public:
  TlsServer(const Certificate& identity, const std::string& client_ca = "")
      : context_(SSL_CTX_new(TLS_server_method())), server_([this](Peer& peer) { Serve(peer); }) {
    Tls tls;
    tls.ca_pem = client_ca.empty() ? identity.certificate_pem : client_ca;
    tls.client_certificate_pem = identity.certificate_pem;
    tls.client_key_pem = base::Secret(identity.key_pem);
    (*TlsMaterial::Load(tls))->Apply(context_);
    if (!client_ca.empty()) {
      SSL_CTX_set_verify(context_, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    }
    std::signal(SIGPIPE, SIG_IGN);  // OpenSSL writes to sockets that the client has closed
    ready_ = true;
  }
  ~TlsServer() { SSL_CTX_free(context_); }
  std::string Url() const { return server_.Url("https") + "/"; }
  void Mute() { mute_ = true; }
  int executions() const { return executions_; }

 private:
  void Serve(Peer& peer) {
    while (!ready_) std::this_thread::yield();
    SSL* ssl = SSL_new(context_);
    SSL_set_fd(ssl, peer.fd());
    if (SSL_accept(ssl) == 1) {
      const std::string answer = Answer("ok");
      while (ReadRequest(ssl)) {
        ++executions_;
        if (mute_ || SSL_write(ssl, answer.data(), int(answer.size())) <= 0) break;
      }
    }
    SSL_free(ssl);
    peer.Close();
  }
  /// Header and body may come in pieces; every request of these tests ends in one of these.
  static bool ReadRequest(SSL* ssl) {
    std::string text;
    char buffer[4096];
    while (true) {
      const int n = SSL_read(ssl, buffer, sizeof buffer);
      if (n <= 0) return false;
      text.append(buffer, size_t(n));
      const bool get = text.starts_with("GET");
      if (text.ends_with(get ? "\r\n\r\n" : "{}")) return true;
    }
  }

  std::atomic<bool> ready_{false};
  std::atomic<bool> mute_{false};
  std::atomic<int> executions_{0};
  SSL_CTX* context_;
  RawServer server_;
};

base::Result<Response> Ask(const TlsServer& server, const Tls& tls) {
  auto transport = *MakeTransport(tls);
  return Exchange(*transport, Get(server.Url()));
}

Tls Trusting(const Certificate& certificate) {
  Tls tls;
  tls.ca_pem = certificate.certificate_pem;
  return tls;
}

void ExpectRefused(const base::Result<Response>& answer) {
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, base::Code::kUnavailable) << answer.error().message;
}

TEST(TlsTest, ACustomAuthorityIsTrustedAndNoOther) {
  const Certificate good = MakeCertificate("IP:127.0.0.1");
  const TlsServer server(good);
  EXPECT_TRUE(Ask(server, Trusting(good)));
  ExpectRefused(Ask(server, Trusting(MakeCertificate("IP:127.0.0.1"))));
  ExpectRefused(Ask(server, {}));
}

// S3: over TLS a connection that ends without goodbye has a code of its own.
TEST(TlsTest, ARequestWhoseAnswerIsLostIsExecutedOnceAndUnclear) {
  const Certificate identity = MakeCertificate("IP:127.0.0.1");
  for (const bool body : {true, false}) {
    for (const bool warm : {true, false}) {
      TlsServer server(identity);
      auto transport = *MakeTransport(Trusting(identity));
      ASSERT_TRUE(!warm || Exchange(*transport, Get(server.Url())));
      const int before = server.executions();
      server.Mute();
      Request request = body ? Post(server.Url(), "{}") : Get(server.Url());
      request.fresh_connection = !body;
      const auto answer = Exchange(*transport, request);
      ASSERT_FALSE(answer);
      EXPECT_EQ(answer.error().code, base::Code::kDeadlineExceeded) << answer.error().message;
      EXPECT_EQ(server.executions() - before, 1);
    }
  }
}

TEST(TlsTest, AWrongNameOrAnExpiredCertificateIsRefused) {
  const Certificate other_name = MakeCertificate("DNS:elsewhere.example");
  ExpectRefused(Ask(TlsServer(other_name), Trusting(other_name)));
  const Certificate expired = MakeCertificate("IP:127.0.0.1", -60);
  ExpectRefused(Ask(TlsServer(expired), Trusting(expired)));
}

TEST(TlsTest, TheServerNameOfAKubeconfigIsVerifiedInsteadOfTheHost) {
  const Certificate named = MakeCertificate("DNS:kubernetes.default.svc");
  const TlsServer server(named);
  Tls tls = Trusting(named);
  tls.server_name = "kubernetes.default.svc";
  const auto answer = Ask(server, tls);
  EXPECT_TRUE(answer) << answer.error().message;
}

TEST(TlsTest, AClientCertificateIsSentWhereOneIsAskedFor) {
  const Certificate server_identity = MakeCertificate("IP:127.0.0.1");
  const Certificate client = MakeCertificate("DNS:client");
  const TlsServer server(server_identity, client.certificate_pem);
  Tls tls = Trusting(server_identity);
  EXPECT_FALSE(Ask(server, tls));
  tls.client_certificate_pem = client.certificate_pem;
  tls.client_key_pem = base::Secret(client.key_pem);
  EXPECT_TRUE(Ask(server, tls));
}

TEST(TlsTest, UnreadableMaterialIsNamed) {
  Tls tls;
  tls.ca_pem = "no certificate";
  const auto transport = MakeTransport(tls);
  ASSERT_FALSE(transport);
  EXPECT_NE(transport.error().message.find("certificate authority"), std::string::npos);
}

// Cancelling from other threads races with TLS inside the library unless it is posted.
TEST(TlsTest, AStormOfCancelsFromManyThreadsCrashesNothing) {
  const Certificate identity = MakeCertificate("IP:127.0.0.1");
  const TlsServer server(identity);
  auto transport = *MakeTransport(Trusting(identity));
  std::vector<std::thread> threads;
  std::atomic<int> ended{0};
  constexpr int kThreads = 4;
  constexpr int kCalls = 2'000;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kCalls; ++i) {
        std::promise<void> done;
        Handlers h;
        h.on_done = [&](base::Result<Response>) {
          ++ended;
          done.set_value();
        };
        auto call = transport->Send(Post(server.Url(), "{}"), h);
        if (i % 3 != 0) call->Cancel();
        done.get_future().wait();
      }
    });
  }
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(ended, kThreads * kCalls);
}

}  // namespace
}  // namespace http
