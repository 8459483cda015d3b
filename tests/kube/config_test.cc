#include "kube/config.h"

#include <gtest/gtest.h>

#include "kube/client.h"

namespace kube {
namespace {

std::string Kubeconfig(const std::string& cluster, const std::string& user) {
  return "apiVersion: v1\nkind: Config\ncurrent-context: c\n"
         "contexts:\n- name: c\n  context: {cluster: k, user: u, namespace: ns}\n"
         "clusters:\n- name: k\n  cluster: {" +
         cluster +
         "}\n"
         "users:\n- name: u\n  user: {" +
         user + "}\n";
}

base::Result<Connection> Parse(const std::string& cluster, const std::string& user) {
  return ParseKubeconfig(Kubeconfig(cluster, user), "kubeconfig", "/nonexistent");
}

TEST(ConfigTest, ReadsServerTokenAndCertificates) {
  const auto c = Parse(
      "server: 'https://host:6443/prefix/', certificate-authority-data: Q0E=, "
      "tls-server-name: name",
      "token: secret, client-certificate-data: Q0VSVA==, client-key-data: S0VZ");
  ASSERT_TRUE(c) << c.error().message;
  EXPECT_EQ(c->server, "https://host:6443/prefix");
  EXPECT_EQ(c->tls.ca_pem, "CA");
  EXPECT_EQ(c->tls.client_certificate_pem, "CERT");
  EXPECT_EQ(c->tls.client_key_pem.Reveal(), "KEY");
  EXPECT_EQ(c->tls.server_name, "name");
  EXPECT_EQ(c->token->Get().Reveal(), "secret");
  EXPECT_EQ(c->ns, "ns");
}

TEST(ConfigTest, OtherWaysToLogInAreRefusedByName) {
  for (const char* user :
       {"exec: {command: x}", "auth-provider: {name: x}", "username: x", "as: somebody"}) {
    const auto c = Parse("server: 'https://host'", user);
    ASSERT_FALSE(c) << user;
    const std::string name = std::string(user).substr(0, std::string(user).find(':'));
    EXPECT_NE(c.error().message.find(name), std::string::npos) << c.error().message;
    EXPECT_NE(c.error().message.find("kubeconfig:"), std::string::npos);
  }
  EXPECT_FALSE(Parse("server: 'https://host', insecure-skip-tls-verify: true", "token: x"));
  EXPECT_FALSE(Parse("server: 'https://host', proxy-url: 'http://p'", "token: x"));
  EXPECT_TRUE(Parse("server: 'https://host', insecure-skip-tls-verify: false", "token: x"));
}

TEST(ConfigTest, WhatIsMissingIsNamed) {
  const auto no_file = Parse("server: 'https://host', certificate-authority: ca.crt", "token: x");
  ASSERT_FALSE(no_file);
  EXPECT_NE(no_file.error().message.find("/nonexistent/ca.crt"), std::string::npos);
  const auto empty = ParseKubeconfig("apiVersion: v1\n", "file", "");
  ASSERT_FALSE(empty);
  EXPECT_NE(empty.error().message.find("current-context"), std::string::npos);
  const auto no_cluster = FindConnection("", [](const std::string&) { return std::nullopt; });
  ASSERT_FALSE(no_cluster);
  EXPECT_NE(no_cluster.error().message.find("--kubeconfig"), std::string::npos);
}

TEST(PathTest, IsThatOfTheApi) {
  EXPECT_EQ((Path{"g/v1", "ns", "things", "a b", "status"}).ToString(),
            "/apis/g/v1/namespaces/ns/things/a%20b/status");
  EXPECT_EQ((Path{"v1", "ns", "secrets", "s", ""}).ToString(), "/api/v1/namespaces/ns/secrets/s");
}

TEST(ErrorOfTest, ReadsStatusAndForeignBodies) {
  const auto error = [](int status, const std::string& body) {
    return ErrorOf(http::Response{status, {{"Retry-After", "3"}}, body});
  };
  const auto conflict = error(409, R"({"kind":"Status","reason":"Conflict","message":"m"})");
  EXPECT_EQ(conflict.code, base::Code::kAborted);
  EXPECT_EQ(conflict.message, "m");
  EXPECT_EQ(error(409, R"({"kind":"Status","reason":"AlreadyExists"})").code,
            base::Code::kAlreadyExists);
  EXPECT_EQ(error(410, "gone").code, base::Code::kExpired);
  EXPECT_EQ(error(429, "The apiserver is shutting down").retry_after, std::chrono::seconds{3});
  EXPECT_EQ(error(502, "<html>").code, base::Code::kDeadlineExceeded);
  EXPECT_EQ(error(404, "").code, base::Code::kNotFound);
}

}  // namespace
}  // namespace kube
