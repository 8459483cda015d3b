#include "retirement/state.h"

#include <algorithm>

namespace retirement {

namespace {

std::vector<Stream> ExpectedStreams(const Config& config) {
  std::vector<Stream> streams = {{Kind::kAccount, ""}, {Kind::kBatch, ""}};
  for (const std::string& ns : config.namespaces) streams.push_back({Kind::kRequest, ns});
  return streams;
}

}  // namespace

State::State(Config c) : config(std::move(c)), expected(ExpectedStreams(config)), view(expected) {}

bool State::Synced() const { return streams.size() == expected.size(); }

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
  if (state.account == nullptr) {
    state.lane = lane;
    state.account = &accounts[lane.account];
    state.account->lanes.emplace(lane.region, &state);
  }
  return state;
}

}  // namespace retirement
