// RudeTest: what the simulated world did to the engine, each as a kind.

#pragma once

#include "retirement/small_world.h"

namespace retirement {

class RudeTest : public SmallWorld {
 protected:
  int Retired(const std::string& name) { return CountOfState(name, MemberState::kRetired); }
  static void TellOfACall(RequestObject& r, MemberState state, Reason reason, uint64_t batch) {
    r.status.observed_generation = r.generation;
    r.status.accepted = r.created;
    for (const MemberSpec& m : r.spec.members) {
      MemberStatus& status = r.status.members.emplace_back();
      status.id = m.id;
      status.state = state;
      status.reason = reason;
      status.batch = batch;
    }
  }
  int CallsOf(int id) {
    int n = 0;
    for (const Call& c : called_) n += int(std::count(c.ids.begin(), c.ids.end(), Parsed(Id(id))));
    return n;
  }
  /// What is not gone was put into the bin by "first-call".
  std::vector<Sight> InTheBin(const Observe& a) {
    std::vector<Sight> sights;
    for (const InstanceId id : a.ids) {
      if (gone_.contains(id)) continue;
      Sight s = Is(id, "SHUTDOWN", kPrepaid);
      s.terminated_last = true;
      s.operation_request = CloudRequestId("first-call");
      sights.push_back(s);
    }
    return sights;
  }
  BatchObject& First() { return log_.begin()->second; }
  /// Somebody writes to the first entry; the version.
  std::string Write(const std::function<void(BatchObject&)>& change) {
    change(First());
    First().version = std::to_string(++version_);
    Tell(BatchSeen{BatchObject(First())});
    return First().version;
  }
  std::string EndElsewhere(BatchResult result) {
    return Write([&](BatchObject& b) {
      b.phase = BatchPhase::kVerified;
      b.verified = now_.wall;
      b.members[0].result = result;
    });
  }
  void Drop(const std::string& name) {
    requests_.erase({"team", name});
    Tell(RequestGone{{"team", name}});
  }
  void RunsForEver() {
    describe_ = [](const Observe& a) { return All(a, "RUNNING"); };
    terminate_ = [](const Call&, Answered&) {};
  }
  bool GoUntilCalled() {
    return GoUntil([this] { return called_.size() == 1; }, minutes{1});
  }
  /// An entry is made, of which neither the watch nor the answer tells for now; `logged` stays true
  /// while nothing is called that the log does not have.
  bool GoUntilMadeUnseen(bool& logged) {
    commit_time_ = seconds{1};
    terminate_ = [&](const Call& c, Answered&) {
      logged = logged && log_.contains({c.lane, c.sequence});
      gone_.insert(c.ids.begin(), c.ids.end());
    };
    shows_entries_ = false;
    Start({Request("r", {Id(1)})});
    const bool made = GoUntil([this] { return log_.size() == 1; }, minutes{1});
    shows_entries_ = true;
    return made;
  }
  static Refusal Throttled(const std::string& code) {
    return {Fault::kThrottled, Reason::kNone, code, "slow down", {}};
  }
};

}  // namespace retirement
