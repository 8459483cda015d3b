#include "retirement/view.h"

#include <algorithm>
#include <charconv>

namespace retirement {

uint64_t VersionNumber(std::string_view version) {
  uint64_t number = 0;
  const auto [end, failure] =
      std::from_chars(version.data(), version.data() + version.size(), number);
  return failure == std::errc{} && end == version.data() + version.size() ? number : 0;
}

View::View(const std::vector<Stream>& expected) {
  for (const Stream& stream : expected) proofs_[stream];
}

void View::OnResetBegin(const Stream& stream) { proofs_[stream].listing = true; }

void View::OnReset(const Stream& stream, std::string_view version, Mono sent) {
  Proof& proof = proofs_[stream];
  proof.listing = false;
  proof.applied = VersionNumber(version);
  proof.at = std::max(proof.at, sent);
  Settle(proof);
}

void View::OnApplied(const Stream& stream, std::string_view version) {
  const auto found = proofs_.find(stream);
  if (found == proofs_.end() || found->second.listing) return;
  found->second.applied = std::max(found->second.applied, VersionNumber(version));
  Settle(found->second);
}

void View::OnOwnWrite(const Stream& stream, std::string_view version, Mono sent) {
  const auto found = proofs_.find(stream);
  if (found == proofs_.end()) return;
  found->second.pending.push_back({VersionNumber(version), sent});
  Settle(found->second);
}

void View::Settle(Proof& proof) {
  std::erase_if(proof.pending, [&](const Write& write) {
    if (write.version == 0 || write.version > proof.applied) return write.version == 0;
    proof.at = std::max(proof.at, write.sent);
    return true;
  });
}

bool View::Shows(const Stream& stream, std::string_view version) const {
  const auto found = proofs_.find(stream);
  return found != proofs_.end() && found->second.applied >= VersionNumber(version);
}

Mono View::ProvenAt(Kind kind) const {
  Mono oldest = base::kNever;
  for (const auto& [stream, proof] : proofs_) {
    if (stream.kind == kind) oldest = std::min(oldest, proof.at);
  }
  return oldest == base::kNever ? Mono{} : oldest;
}

Stream View::StreamOf(Kind kind, const std::string& ns) const {
  const Stream exact{kind, ns};
  return proofs_.contains(exact) ? exact : Stream{kind, ""};
}

}  // namespace retirement
