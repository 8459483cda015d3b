// State: everything the engine knows. Its parts are separate machines; the functions of the other
// files move values between them. One thread; no I/O, clock or randomness.

#pragma once

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/token_bucket.h"
#include "retirement/action.h"
#include "retirement/gauges.h"
#include "retirement/request.h"
#include "retirement/view.h"

namespace retirement {

struct Config {
  PackWindow window{};
  Millis batch_retention = hours{720};
  std::string installation{};  // our namespace: what CloudAccount.status.operator says
  std::string holder{};        // identity of this process
  std::vector<std::string> namespaces = {""};  // whose requests are watched; "" for all
};

/// The last entry of the log that named an id. There may be hundreds of thousands: kept small.
struct History {
  std::shared_ptr<const Origin> origin{};
  BatchResult result = BatchResult::kNone;
  bool sent = false;      // its call may have left
  bool accepted = false;  // its call was accepted, and must not be repeated
  bool failed = false;    // one that was accepted when it was prepaid failed
  bool by_hand = false;   // a person has ended it
  Mono learnt{};
  std::shared_ptr<const Origin> binned_by{};  // what put it into the bin
};

struct IdHash {
  size_t operator()(InstanceId id) const { return size_t(id.packed() * 0x9e3779b97f4a7c15); }
};

struct State {
  explicit State(Config c);

  Config config;
  std::vector<Action> actions{};

  std::map<RequestKey, std::unique_ptr<Request>> requests{};
  std::map<std::string, Account> accounts{};
  std::map<Lane, LaneState> lanes{};
  std::map<InstanceId, Target> targets{};
  std::unordered_map<InstanceId, History, IdHash> history{};
  Identities identities{};

  std::vector<Stream> expected;  // every stream that we watch
  View view;
  Gauges gauges{};
  std::set<Stream> streams{};  // of which a list was completed
  uint64_t epoch = 1;          // grows with every list
  std::map<Stream, uint64_t> stream_epochs{};

  Mono lead_until{};
  bool stopping = false;
  bool restored = false;  // what an earlier process left was compared with the log

  std::set<std::pair<Wall, RequestKey>> wall_times{};
  Millis wall_offset{};  // of the machine's clock to Mono, at the last step
  std::map<std::pair<Mono, RequestKey>, Request*> outbox_final{};
  std::map<std::pair<Mono, RequestKey>, Request*> outbox_other{};
  size_t status_in_flight = 0;
  Mono account_wide_next{};  // when the next wait of a whole account may be told
  size_t lane_turn = 0;      // the lane that is served first
  base::TokenBucket announcements{20, 20};

  bool crowded = false;                // some instance has, or had, more claims than take part
  std::vector<InstanceId> again{};     // crowds, to be decided anew
  std::deque<RequestKey> refreshes{};  // requests to be decided anew, some at a time

  uint64_t next_token = 1;
  uint32_t next_group = 1;
  Mono retention_check{};
  Mono history_check{};
  std::map<Kind, Mono> suspects{};     // since when a live read of a kind differs from the watch
  std::map<Kind, Mono> reconnected{};  // when a kind was listed anew on our wish

  bool Leading(Now now) const { return now.mono < lead_until; }
  /// Complete lists of all kinds have arrived: nothing is looked at or committed before.
  bool Synced() const;
  Account* FindAccount(const std::string& name);
  Request* FindRequest(const RequestKey& key);
  LaneState& LaneOf(const Lane& lane);
  /// Visits every lane, another one first each turn, so that none uses up what its account may do.
  template <typename Visit>
  void EachLaneInTurn(Visit visit) {
    if (lanes.empty()) return;
    const auto first = std::next(lanes.begin(), ptrdiff_t(lane_turn % lanes.size()));
    for (auto lane = first; lane != lanes.end(); ++lane) visit(lane->second);
    for (auto lane = lanes.begin(); lane != first; ++lane) visit(lane->second);
  }
  void Do(Action action) { actions.push_back(std::move(action)); }
};

}  // namespace retirement
