// Identity: who looked, and from where an instance was seen. The same id may be nothing, or
// something else, elsewhere (S8).

#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace retirement {

/// Credentials at an endpoint. Two of them are one cloud account once both saw the same instance:
/// ids are unique (CVM API, data type Instance), so what one saw counts for the other.
struct Identity {
  std::string credential{};
  std::string endpoint{};
  Identity* same_as = nullptr;  // towards the one that stands for all of them

  const Identity& Root() const;
  /// "<credential>@<endpoint>", as statuses name it.
  std::string ToString() const { return credential + "@" + endpoint; }
};

/// A region as an identity sees it. Made by Identities only, and as lasting: compare by address or
/// by Same.
struct Viewpoint {
  std::string region{};
  Identity* who = nullptr;
};

/// What one of them saw counts for the other.
bool Same(const Viewpoint& a, const Viewpoint& b);

/// Not thread-safe. What it returns lives as long as it does.
class Identities {
 public:
  const Viewpoint* At(const std::string& region, const std::string& credential,
                      const std::string& endpoint);
  /// The viewpoint that a status names with ToString(); for a text without an endpoint, that of
  /// `endpoint`.
  const Viewpoint* Named(const std::string& region, std::string_view text,
                         const std::string& endpoint);
  /// Both saw one instance. True when that was news.
  bool Merge(const Viewpoint& a, const Viewpoint& b);

 private:
  std::map<std::pair<std::string, std::string>, std::unique_ptr<Identity>> identities_;
  std::map<std::pair<std::string, Identity*>, std::unique_ptr<Viewpoint>> viewpoints_;
};

}  // namespace retirement
