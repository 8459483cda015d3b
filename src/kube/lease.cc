#include "kube/lease.h"

#include <algorithm>

namespace kube {

LeaseRecord LeaseProtocol::Mine(base::Now now) const {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(timings_.duration);
  LeaseRecord record{identity_, int(seconds.count()), now.wall, now.wall, 0, ""};
  if (!seen_) return record;
  record.version = seen_->version;
  const bool kept = seen_->holder == identity_;
  record.acquired = kept ? seen_->acquired : now.wall;
  record.transitions = kept ? seen_->transitions : seen_->transitions + 1;
  return record;
}

LeaseProtocol::Ask LeaseProtocol::Next(base::Now now) const {
  if (!read_) return {Kind::kGet, {}, next_at_};
  if (!seen_) return {Kind::kCreate, Mine(now), next_at_};
  const base::Mono expires = seen_at_ + std::chrono::seconds{seen_->duration_seconds};
  const bool free = seen_->holder.empty() || seen_->holder == identity_ || now.mono >= expires;
  if (free) return {Kind::kUpdate, Mine(now), next_at_};
  return {Kind::kGet, {}, next_at_};
}

void LeaseProtocol::OnRead(const std::optional<LeaseRecord>& record, base::Now now) {
  read_ = true;
  if (record != seen_) seen_at_ = now.mono;
  seen_ = record;
  if (!record) return;
  const base::Mono expires = seen_at_ + std::chrono::seconds{record->duration_seconds};
  const bool foreign = !record->holder.empty() && record->holder != identity_;
  if (foreign) leads_until_ = base::Mono{};
  next_at_ = foreign && now.mono < expires ? now.mono + timings_.retry : now.mono;
}

void LeaseProtocol::OnWritten(const LeaseRecord& record, base::Mono sent) {
  if (leads_until_ < sent) {
    const bool created = !seen_;
    leads_from_ = created ? sent + timings_.duration : sent;
  }
  seen_ = record;
  seen_at_ = sent;
  leads_until_ = sent + timings_.renew_deadline;
  next_at_ = sent + timings_.retry;
}

void LeaseProtocol::OnFailed(base::Now now) {
  read_ = false;
  next_at_ = now.mono + timings_.retry;
}

LeaseRecord LeaseProtocol::Released(base::Now now) const {
  LeaseRecord record = Mine(now);
  record.holder.clear();
  record.duration_seconds = 1;
  return record;
}

}  // namespace kube
