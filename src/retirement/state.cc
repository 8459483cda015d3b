#include "retirement/state.h"

namespace retirement {

bool State::Synced() const {
  if (!listing.empty()) return false;
  std::array<bool, kKinds> seen{};
  for (const Stream& stream : streams) seen[size_t(stream.kind)] = true;
  return seen[0] && seen[1] && seen[2];
}

Account* State::FindAccount(const std::string& name) {
  const auto found = accounts.find(name);
  return found == accounts.end() ? nullptr : &found->second;
}

Request* State::FindRequest(const RequestKey& key) {
  const auto found = requests.find(key);
  return found == requests.end() ? nullptr : found->second.get();
}

LaneState& State::LaneOf(const Lane& lane) {
  LaneState& state = lanes[lane];
  if (state.lane.account.empty()) {
    state.lane = lane;
    accounts[lane.account].lanes.insert(lane.region);
  }
  return state;
}

}  // namespace retirement
