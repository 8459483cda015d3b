// View: how old our view of the cluster is (S12).

#pragma once

#include <deque>
#include <map>
#include <string>
#include <vector>

#include "retirement/event.h"

namespace retirement {

/// Compares resourceVersions as Kubernetes 1.35 and later allow: as numbers. 0 for another text.
uint64_t VersionNumber(std::string_view version);

/// A view is proven by the newest list, or by the newest write of ours, whose version the watch
/// has reached: by the time it was sent. Other events prove nothing: a lagging server speaks
/// steadily too.
class View {
 public:
  /// `expected`: every stream that there will be.
  explicit View(const std::vector<Stream>& expected);
  /// A list is under way: until it is complete its objects prove nothing.
  void OnResetBegin(const Stream& stream);
  void OnReset(const Stream& stream, std::string_view version, Mono sent);
  void OnApplied(const Stream& stream, std::string_view version);
  void OnOwnWrite(const Stream& stream, std::string_view version, Mono sent);
  /// The view has reached `version`: everything up to it is known.
  bool Shows(const Stream& stream, std::string_view version) const;
  /// When the view of `kind` was certainly complete; Mono{} before every stream has had a list.
  Mono ProvenAt(Kind kind) const;
  /// The stream that carries objects of `kind` in `ns`.
  Stream StreamOf(Kind kind, const std::string& ns) const;

 private:
  struct Write {
    uint64_t version;
    Mono sent;
  };
  struct Proof {
    uint64_t applied = 0;
    bool listing = false;
    Mono at{};
    std::deque<Write> pending{};
  };
  static void Settle(Proof& proof);
  std::map<Stream, Proof> proofs_;
};

}  // namespace retirement
