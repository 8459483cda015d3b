#include "kube/config.h"

#include <filesystem>

#include "base/clock.h"
#include "base/file.h"
#include "base/yaml.h"

namespace kube {
namespace {

constexpr base::Millis kTokenAge{50'000};
constexpr const char* kServiceAccount = "/var/run/secrets/kubernetes.io/serviceaccount/";

std::string Trim(std::string text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back()))) text.pop_back();
  return text;
}

struct Cluster {
  std::string server, ca, ca_data, server_name;
};
struct User {
  std::string certificate, certificate_data, key, key_data, token, token_file;
};
struct Context {
  std::string cluster, user, ns;
};

/// One kubeconfig under way: what was read, and what was wrong with it.
struct Reader {
  base::YamlErrors errors;
  std::string current;
  std::map<std::string, Cluster> clusters;
  std::map<std::string, User> users;
  std::map<std::string, Context> contexts;

  explicit Reader(const std::string& file) : errors(file) {}

  std::function<void(const YAML::Node&)> To(std::string& out) {
    return [this, &out](const YAML::Node& n) { base::ReadString(n, out, errors); };
  }
  std::function<void(const YAML::Node&)> Ignore() {
    return [](const YAML::Node&) {};
  }
  std::function<void(const YAML::Node&)> Refuse(const std::string& what) {
    return [this, what](const YAML::Node& n) {
      errors.Add(n, what + " is not supported; use a client certificate, token or tokenFile");
    };
  }

  void ReadCluster(const YAML::Node& node, Cluster& c) {
    base::ReadMapping(node,
                      {{"server", To(c.server)},
                       {"certificate-authority", To(c.ca)},
                       {"certificate-authority-data", To(c.ca_data)},
                       {"tls-server-name", To(c.server_name)},
                       {"disable-compression", Ignore()},
                       {"extensions", Ignore()},
                       {"proxy-url", Refuse("proxy-url")},
                       {"insecure-skip-tls-verify",
                        [this](const YAML::Node& n) {
                          bool skip = false;
                          if (base::ReadBool(n, skip, errors) && skip) {
                            errors.Add(n,
                                       "insecure-skip-tls-verify is not supported; give the "
                                       "cluster's certificate-authority instead");
                          }
                        }}},
                      errors);
  }

  void ReadUser(const YAML::Node& node, User& u) {
    base::YamlFields fields = {{"client-certificate", To(u.certificate)},
                               {"client-certificate-data", To(u.certificate_data)},
                               {"client-key", To(u.key)},
                               {"client-key-data", To(u.key_data)},
                               {"token", To(u.token)},
                               {"tokenFile", To(u.token_file)},
                               {"extensions", Ignore()}};
    for (const char* name : {"exec", "auth-provider", "username", "password", "as", "as-uid",
                             "as-groups", "as-user-extra"}) {
      fields.emplace(name, Refuse("user." + std::string(name)));
    }
    base::ReadMapping(node, fields, errors);
  }

  void ReadContext(const YAML::Node& node, Context& c) {
    base::ReadMapping(node,
                      {{"cluster", To(c.cluster)},
                       {"user", To(c.user)},
                       {"namespace", To(c.ns)},
                       {"extensions", Ignore()}},
                      errors);
  }

  /// A list of {name: ..., <kind>: {...}}.
  template <typename Item, typename ReadItem>
  void ReadList(const YAML::Node& list, const char* kind, std::map<std::string, Item>& out,
                ReadItem read) {
    if (!list.IsSequence()) return errors.Add(list, "expected a list");
    for (const auto& entry : list) {
      std::string name;
      Item item;
      base::ReadMapping(
          entry, {{"name", To(name)}, {kind, [&](const YAML::Node& n) { read(n, item); }}}, errors);
      out.emplace(name, std::move(item));
    }
  }

  void Read(const YAML::Node& root) {
    base::ReadMapping(
        root,
        {{"apiVersion", Ignore()},
         {"kind", Ignore()},
         {"preferences", Ignore()},
         {"extensions", Ignore()},
         {"current-context", To(current)},
         {"clusters",
          [this](const YAML::Node& n) {
            ReadList(n, "cluster", clusters,
                     [this](const YAML::Node& c, Cluster& out) { ReadCluster(c, out); });
          }},
         {"users",
          [this](const YAML::Node& n) {
            ReadList(n, "user", users,
                     [this](const YAML::Node& c, User& out) { ReadUser(c, out); });
          }},
         {"contexts",
          [this](const YAML::Node& n) {
            ReadList(n, "context", contexts,
                     [this](const YAML::Node& c, Context& out) { ReadContext(c, out); });
          }}},
        errors);
  }
};

base::Error Wrong(const std::string& file, const std::string& what) {
  return {.code = base::Code::kInvalidArgument, .message = file + ": " + what};
}

/// Data beats file; "" when neither is given.
base::Result<std::string> Material(const std::string& data, const std::string& path,
                                   const std::string& directory) {
  if (!data.empty()) return base::DecodeBase64(data);
  if (path.empty()) return std::string();
  const std::filesystem::path p(path);
  return base::ReadFile(p.is_absolute() ? path : directory + "/" + path);
}

base::Status FillTls(const Cluster& cluster, const User& user, const std::string& directory,
                     http::Tls& tls) {
  auto ca = Material(cluster.ca_data, cluster.ca, directory);
  auto certificate = Material(user.certificate_data, user.certificate, directory);
  auto key = Material(user.key_data, user.key, directory);
  if (!ca) return WithContext(ca.error(), "certificate-authority");
  if (!certificate) return WithContext(certificate.error(), "client-certificate");
  if (!key) return WithContext(key.error(), "client-key");
  tls.ca_pem = *ca;
  tls.client_certificate_pem = *certificate;
  tls.client_key_pem = base::Secret(*std::move(key));
  tls.server_name = cluster.server_name;
  return base::Ok();
}

std::shared_ptr<TokenSource> TokenOf(const User& user, const std::string& directory) {
  if (!user.token_file.empty()) {
    const bool absolute = std::filesystem::path(user.token_file).is_absolute();
    return TokenSource::File(absolute ? user.token_file : directory + "/" + user.token_file);
  }
  return TokenSource::Fixed(base::Secret(user.token));
}

base::Result<Connection> InCluster(const Environment& environment) {
  const auto host = environment("KUBERNETES_SERVICE_HOST");
  const auto port = environment("KUBERNETES_SERVICE_PORT");
  if (!host || !port) {
    return base::Error{.code = base::Code::kInvalidArgument,
                       .message =
                           "no cluster to talk to: give --kubeconfig, set KUBECONFIG, or "
                           "run inside a pod with a service account"};
  }
  auto ca = base::ReadFile(std::string(kServiceAccount) + "ca.crt");
  if (!ca) return ca.error();
  Connection c;
  // The HTTP library cannot connect to IPv6 literals; the service's name is in every certificate.
  const bool ipv6 = host->find(':') != std::string::npos;
  c.server = "https://" + (ipv6 ? "kubernetes.default.svc" : *host) + ":" + *port;
  c.tls.ca_pem = *ca;
  c.token = TokenSource::File(std::string(kServiceAccount) + "token");
  if (auto ns = base::ReadFile(std::string(kServiceAccount) + "namespace")) c.ns = Trim(*ns);
  c.origin = "the pod's service account";
  return c;
}

}  // namespace

std::shared_ptr<TokenSource> TokenSource::Fixed(base::Secret token) {
  auto source = std::make_shared<TokenSource>();
  source->token_ = std::move(token);
  return source;
}

std::shared_ptr<TokenSource> TokenSource::File(std::string path) {
  auto source = std::make_shared<TokenSource>();
  source->path_ = std::move(path);
  return source;
}

base::Secret TokenSource::Get() {
  const std::lock_guard lock(mutex_);
  const base::Mono now = base::MonoNow();
  if (path_.empty() || (!token_.empty() && now < read_at_ + kTokenAge)) return token_;
  if (auto text = base::ReadFile(path_); text && !Trim(*text).empty()) {
    token_ = base::Secret(Trim(*text));
    read_at_ = now;
  }
  return token_;
}

void TokenSource::Expire() {
  const std::lock_guard lock(mutex_);
  read_at_ = base::Mono{};
}

base::Result<Connection> ParseKubeconfig(const std::string& text, const std::string& file,
                                         const std::string& directory) {
  auto root = base::LoadYaml(text, file);
  if (!root) return root.error();
  Reader reader(file);
  reader.Read(*root);
  if (!reader.errors.list().empty()) {
    std::string all;
    for (const std::string& e : reader.errors.list()) all += (all.empty() ? "" : "\n") + e;
    return base::Error{.code = base::Code::kInvalidArgument, .message = all};
  }
  if (reader.current.empty()) return Wrong(file, "current-context is not set");
  const auto context = reader.contexts.find(reader.current);
  if (context == reader.contexts.end()) {
    return Wrong(file, "there is no context \"" + reader.current + "\"");
  }
  const auto cluster = reader.clusters.find(context->second.cluster);
  if (cluster == reader.clusters.end()) {
    return Wrong(file, "there is no cluster \"" + context->second.cluster + "\"");
  }
  const auto user = reader.users.find(context->second.user);
  if (user == reader.users.end()) {
    return Wrong(file, "there is no user \"" + context->second.user + "\"");
  }
  Connection c;
  const auto url = http::ParseUrl(cluster->second.server);
  if (!url) return WithContext(url.error(), file + ": cluster.server");
  c.server = url->scheme + "://" + url->authority + url->path;
  const auto filled = FillTls(cluster->second, user->second, directory, c.tls);
  if (!filled) return WithContext(filled.error(), file);
  c.token = TokenOf(user->second, directory);
  c.ns = context->second.ns;
  c.origin = file;
  return c;
}

base::Result<Connection> FindConnection(const std::string& kubeconfig_flag,
                                        const Environment& environment) {
  std::string path = kubeconfig_flag;
  if (path.empty()) path = environment("KUBECONFIG").value_or("");
  if (path.empty()) return InCluster(environment);
  auto text = base::ReadFile(path);
  if (!text) return text.error();
  return ParseKubeconfig(*text, path, std::filesystem::path(path).parent_path().string());
}

}  // namespace kube
