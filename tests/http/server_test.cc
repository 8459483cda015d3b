#include "http/server.h"

#include <gtest/gtest.h>
#include <netinet/in.h>

#include "http/exchange.h"
#include "http/message.h"
#include "http/raw_server.h"

namespace http {
namespace {

class ServerTest : public testing::Test {
 protected:
  ServerTest() {
    ServerLimits limits;
    limits.connections = 32;
    limits.patience = base::Millis{1'000};
    server_ = *Server::Start("127.0.0.1:0", limits, [](const ServerRequest& r) {
      return ServerResponse{200, {}, r.method + " " + r.target + " " + r.body};
    });
  }
  Peer Connect() const {
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(uint16_t(server_->port()));
    EXPECT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    return Peer(fd);
  }
  std::string Url() const { return "http://127.0.0.1:" + std::to_string(server_->port()); }
  void ExpectAlive() {
    const auto answer = Exchange(*transport_, Get(Url() + "/livez"));
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_EQ(answer->body, "GET /livez ");
  }
  /// What the server says to `text` before it closes.
  std::string Say(const std::string& text) const {
    Peer peer = Connect();
    peer.Send(text);
    std::string heard;
    char buffer[4096];
    ssize_t n = 0;
    while ((n = ::recv(peer.fd(), buffer, sizeof buffer, 0)) > 0) heard.append(buffer, size_t(n));
    return heard;
  }

  std::unique_ptr<Server> server_;
  std::shared_ptr<Transport> transport_ = PlainTransport();
};

TEST_F(ServerTest, AnswersGetAndPost) {
  ExpectAlive();
  const auto answer = Exchange(*transport_, Post(Url() + "/x?y=1", "body"));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->body, "POST /x?y=1 body");
}

TEST_F(ServerTest, SilentAndHalfSentConnectionsHarmNobodyAndAreClosed) {
  std::vector<Peer> peers;
  for (int i = 0; i < 10; ++i) {
    peers.push_back(Connect());
    if (i % 2 == 0) peers.back().Send("GET /livez HT");
  }
  ExpectAlive();
  for (Peer& peer : peers) peer.Drain();  // returns because the server closes
}

TEST_F(ServerTest, TooMuchAndGarbageAreRefused) {
  EXPECT_NE(Say("GET / HTTP/1.1\r\nX: " + std::string(1 << 20, 'x')).find("431"),
            std::string::npos);
  EXPECT_NE(Say("POST / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n").find("413"),
            std::string::npos);
  EXPECT_NE(Say("\x16\x03\x01 garbage\r\n\r\n").find("400"), std::string::npos);
  EXPECT_NE(Say("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n").find("400"),
            std::string::npos);
  ExpectAlive();
}

TEST_F(ServerTest, MoreConnectionsThanAllowedAreClosedAtOnce) {
  std::vector<Peer> peers;
  for (int i = 0; i < 300; ++i) peers.push_back(Connect());
  for (Peer& peer : peers) peer.Drain();
  ExpectAlive();
}

TEST(ServerStartTest, NamesAnAddressThatItCannotUse) {
  for (const char* address : {"nonsense", "127.0.0.1:x", "300.1.1.1:80", "127.0.0.1:99999"}) {
    const auto server = Server::Start(address, {}, {});
    ASSERT_FALSE(server) << address;
    EXPECT_NE(server.error().message.find(address), std::string::npos);
  }
}

TEST(MessageTest, EncodesAndDecodes) {
  EXPECT_EQ(PercentEncode("a b/c=+\xe5"), "a%20b%2Fc%3D%2B%E5");
  EXPECT_EQ(*PercentDecode("a%20b%2fc+", false), "a b/c+");
  EXPECT_EQ(*PercentDecode("a+b", true), "a b");
  EXPECT_FALSE(PercentDecode("%4", false));
  EXPECT_FALSE(PercentDecode("%zz", false));
  const auto query = ParseQuery("a=1&b=%20&c");
  ASSERT_TRUE(query);
  EXPECT_EQ(Find(*query, "B"), " ");
  EXPECT_EQ(query->size(), 3u);
}

TEST(MessageTest, ReadsUrlsStrictly) {
  const auto url = ParseUrl("https://cvm.tencentcloudapi.com:18999/prefix/");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->host, "cvm.tencentcloudapi.com");
  EXPECT_EQ(url->authority, "cvm.tencentcloudapi.com:18999");
  EXPECT_EQ(url->path, "/prefix");
  EXPECT_EQ(ParseUrl("http://[::1]:80")->host, "::1");
  for (const char* text :
       {"", "host", "ftp://host", "https://", "https://user@host", "https://h?q", "https://h h"}) {
    EXPECT_FALSE(ParseUrl(text)) << text;
  }
  for (const char* host : {"localhost", "127.0.0.1", "127.3.2.1", "::1"}) {
    EXPECT_TRUE(IsLoopback(host)) << host;
  }
  for (const char* host : {"127.0.0.1.evil.com", "localhost.evil.com", "10.0.0.1", ""}) {
    EXPECT_FALSE(IsLoopback(host)) << host;
  }
}

TEST(MessageTest, ReadsRetryAfter) {
  EXPECT_EQ(RetryAfter({{"retry-after", "7"}}), std::chrono::seconds{7});
  EXPECT_EQ(RetryAfter({{"Retry-After", "999999"}}), std::chrono::seconds{3600});
  EXPECT_FALSE(RetryAfter({{"Retry-After", "soon"}}));
  EXPECT_FALSE(RetryAfter({}));
}

}  // namespace
}  // namespace http
