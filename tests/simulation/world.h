// World: production engines among models of the kube-apiserver, the cloud, processes and users, in
// virtual time, from one seed. After every step the observer checks the invariants of
// docs/safety.md against the models' truth.

#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <set>
#include <string>
#include <vector>

#include "base/random.h"
#include "retirement/engine.h"
#include "simulator/cloud.h"

namespace simulation {

using namespace retirement;

/// How likely faults are, and how large the world is.
struct Shape {
  double faults = 1;
  int requests = 3;
  int members = 4;
  int accounts = 1;
  int regions = 1;
  int processes = 2;
  /// Faults that do not happen although their time has come: "kind", or "kind#n" for the n-th one.
  std::set<std::string> suppressed{};
  std::optional<InstanceId> focus{};  // the trace tells all of this instance
};
Shape ShapeOf(uint64_t seed);

/// How often each kind of fault occurred.
using FaultCounts = std::map<std::string, int64_t>;

struct Report {
  std::string violation{};  // "" for none
  std::vector<std::string> trace{};
  FaultCounts faults{};
  int64_t steps = 0;
};

/// One operator of the installation, leading or waiting for the lease. Actions and events of a
/// process that has died reach nobody: `life` has moved on.
struct Process {
  int number = 0;
  int64_t life = 0;
  std::string holder{};
  std::unique_ptr<Engine> engine{};  // only while it leads
  Mono frozen_until{};
  Mono lead_until{};  // the validity that it was told last
  Millis skew{0};     // its wall clock minus the truth
  uint64_t wake = 0;
  int idle_ticks = 0;
  Mono silent_until{};  // it cannot renew the lease before
  std::map<Kind, Mono> last_delivery{};
  std::map<Kind, std::string> delivered{};  // the version that each watch has reached
  std::map<Kind, Mono> lag_until{};         // each event comes late by `lag` until then
  std::map<Kind, Millis> lag{};
  std::map<Kind, int> watches{};
  std::map<std::string, std::string> credentials{};  // by account
  std::string seen_holder{};
  uint64_t seen_renewal = 0;
  Mono seen_at{};  // when that was first seen
};

class World : private simulator::Nature {
 public:
  World(uint64_t seed, const Shape& shape);
  Report Run();

 private:
  struct Due {
    Mono at;
    uint64_t order;
    Process* process;  // null: bound to nobody
    int64_t life;
    std::function<void()> run;
    bool operator>(const Due& other) const {
      return std::tie(at, order) > std::tie(other.at, other.order);
    }
  };
  /// When something was so: what S6 and S10 are judged by.
  struct Span {
    Mono since;
    Mono until;
  };
  using Spans = std::vector<Span>;
  using EntryKey = std::pair<Lane, uint64_t>;
  struct Entry {
    BatchObject object;
    uint64_t birth;  // entries of one number that were deleted and made anew differ
    Mono closed_at{base::kNever};
  };

  // world.cc: time and faults. Nature:
  Millis EffectDelay() override { return Delay(20'000); }
  Millis DescribeLag() override;
  bool NamesOffenders() override { return random_.Chance(0.7); }
  bool Fault(const char* kind, double probability);
  /// Something of `process`, which a crash forgets and a freeze delays; for null of the world.
  void At(Process* process, Millis delay, std::function<void()> run);
  Millis Delay(int64_t most) { return Millis{int64_t(random_.Below(uint64_t(most)))}; }
  Wall TrueTime() const { return Wall{now_.time_since_epoch() + wall_offset_}; }
  void Trace(const std::string& line);
  /// Whether the trace tells all of this instance.
  bool Follows(InstanceId id) const { return id == shape_.focus; }
  void Fail(const std::string& invariant);

  // process.cc
  void Elect(Process& p);
  void TakeTheLead(Process& p);
  void Die(Process& p, const char* why);
  void Feed(Process& p, const Event& event);
  void Perform(Process& p, const Action& action);
  void List(Process& p, Kind kind);
  void SendBookmarks(Process& p, Kind kind);

  // cluster.cc
  void Do(Process& p, const Confirm& a);
  void Do(Process& p, const Commit& a);
  void Do(Process& p, const ReadBatch& a);
  void Do(Process& p, const Record& a);
  void Do(Process& p, const DeleteBatch& a);
  void Do(Process& p, const WriteStatus& a);
  void Do(Process& p, const WriteAccountStatus& a);
  void Do(Process&, const Announce&) {}
  void Do(Process& p, const Reconnect& a) { List(p, a.kind); }
  void Do(Process& p, const ReadCredentials& a);
  void Do(Process& p, const ReadLease& a);
  void Do(Process&, const Tally&) {}
  std::string NextVersion() { return std::to_string(++version_); }
  void Publish(Kind kind, const Event& event);
  void PutRequest(RequestObject object);
  void DropRequest(const RequestKey& key);
  void PutAccount(AccountObject object);

  // service.cc
  void Do(Process& p, const Observe& a);
  void Do(Process& p, const Call& a);
  void Deliver(Process* p, const Call& call, const std::string& key, uint64_t entry);
  void Answer(Process* p, Answered answer, Millis after);

  // users.cc
  void Populate();
  RequestObject NewRequest(int number);
  void ScheduleUsers();
  void UserActs();
  void ActOnRequest();
  void ActOnAccount();
  void ActOnLog();
  bool MayVanish(const Entry& entry) const;
  const Entry* EntryOf(const Lane& lane, uint64_t sequence) const;
  bool IsTold(const BatchObject& batch) const;
  bool IsWitness(const RequestObject& request) const;
  void CleanUp();

  // observer.cc
  void UpdateTruth();
  void Mark(Spans& spans, bool so) const;
  bool IsCancelled(const RequestObject& request, InstanceId id) const;
  void JudgeCall(const Call& call);
  void JudgeSend(const Process& p, const Call& call);
  void JudgeArrival(const Call& call, uint64_t entry);
  void JudgeExecution(const simulator::Execution& execution);
  void JudgeEnd();
  void JudgeMember(const RequestObject& request, const MemberStatus& member);
  std::string Explain(const MemberStatus& member) const;
  bool AllFinal() const;
  bool LogIsClosed() const;

  base::Random random_;
  Shape shape_;
  Report report_;
  std::map<std::string, int64_t> chances_;
  bool faults_on_ = true;
  Mono now_{Millis{10'000'000}};
  Millis wall_offset_{1'700'000'000'000};
  uint64_t order_ = 0;
  std::priority_queue<Due, std::vector<Due>, std::greater<>> agenda_;

  std::vector<std::unique_ptr<Process>> processes_;
  std::string lease_holder_;
  uint64_t lease_renewal_ = 0;

  uint64_t version_ = 100;
  std::map<RequestKey, RequestObject> requests_;
  std::map<std::string, AccountObject> accounts_;
  std::map<EntryKey, Entry> batches_;
  std::map<EntryKey, Entry> vanished_;          // deleted by hand while open
  std::map<std::string, std::string> secrets_;  // account -> the credentials in its Secret

  simulator::Cloud cloud_;
  std::vector<InstanceId> ids_;
  std::map<InstanceId, int> accepted_calls_;  // since last seen outside the bin
  std::map<std::pair<Lane, InstanceId>, Spans> wishes_;
  std::map<std::string, Spans> open_accounts_;
  std::map<InstanceId, Spans> milder_;         // a live request wants it recycled only
  std::map<InstanceId, bool> destroy_wanted_;  // ever, by any request
  std::map<uint64_t, int> executed_;           // per entry
  std::map<uint64_t, Mono> created_;           // per entry
  std::set<std::tuple<Lane, std::string, InstanceId>> sights_;  // by lane and credentials, ever
  std::map<InstanceId, Mono> judged_at_;     // when the service last looked at it for a call
  std::map<InstanceId, Mono> looked_at_;     // when the newest look that was answered was sent
  std::map<InstanceId, Mono> missed_until_;  // DescribeInstances may miss an instance for a moment
};

}  // namespace simulation
