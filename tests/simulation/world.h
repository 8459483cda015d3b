// World: the production engine among models of the kube-apiserver, the cloud, the process and the
// users, in virtual time, from one seed. After every step the observer checks the invariants of
// docs/safety.md against the models' truth.

#pragma once

#include <functional>
#include <map>
#include <memory>
#include <queue>
#include <set>
#include <string>
#include <vector>

#include "base/random.h"
#include "retirement/engine.h"
#include "simulator/cloud.h"

namespace simulation {

using namespace retirement;

/// How likely each fault is, from 0 to 1, and how large the world is.
struct Shape {
  double faults = 1;
  int requests = 3;
  int members = 4;
  int steps = 4000;
};

/// How often each kind of fault occurred.
using FaultCounts = std::map<std::string, int64_t>;

struct Report {
  std::string violation{};  // "" for none
  std::vector<std::string> trace{};
  FaultCounts faults{};
  int64_t steps = 0;
};

class World : private simulator::Nature {
 public:
  World(uint64_t seed, const Shape& shape);
  Report Run();

 private:
  struct Due {
    Mono at;
    uint64_t order;
    int64_t incarnation;  // -1: not bound to a process
    std::function<void()> run;
    bool operator>(const Due& other) const {
      return std::tie(at, order) > std::tie(other.at, other.order);
    }
  };
  template <typename Object>
  struct Stored {
    Object object;
    bool exists = true;
  };
  /// When an id was wanted by a request that may act: what S6 and S10 are judged by.
  struct Wish {
    Mono since;
    Mono until;
  };

  // Nature.
  Millis EffectDelay() override;
  Millis DescribeLag() override;
  bool NamesOffenders() override { return random_.Chance(0.7); }

  bool Fault(const char* kind, double probability);
  void At(Millis delay, std::function<void()> run, bool bound = true);
  Millis Delay(int64_t most) { return Millis{int64_t(random_.Below(uint64_t(most)))}; }
  Now Present() const { return {now_, Wall{now_.time_since_epoch() + wall_offset_}}; }
  void Trace(const std::string& line);
  void Fail(const std::string& invariant);

  // Process.
  void StartProcess();
  void Feed(const Event& event);
  void Perform(const Action& action);
  void ListAll();
  void RenewLease();

  // Actions.
  void Do(const Observe& a);
  void Do(const Confirm& a);
  void Do(const Commit& a);
  void Do(const ReadBatch& a);
  void Do(const Call& a);
  void Do(const Record& a);
  void Do(const DeleteBatch& a);
  void Do(const WriteStatus& a);
  void Do(const WriteAccountStatus& a);
  void Do(const Announce&) {}
  void Do(const Reconnect& a);
  void Do(const ReadCredentials& a);
  void Do(const ReadLease& a);
  void Do(const Tally&) {}
  void Deliver(const Call& call);
  void Answer(const Call& call, Answered answer, Millis after);

  // Store.
  std::string NextVersion() { return std::to_string(++version_); }
  void Publish(Kind kind, Event event);
  void PutRequest(RequestObject object);
  void DropRequest(const RequestKey& key);
  void PutAccount(AccountObject object);
  void List(Kind kind);

  // Users.
  void Populate();
  void ScheduleUsers();
  void UserActs();

  // Observer.
  void UpdateWishes();
  void Mark(std::vector<Wish>& wishes, bool wanted);
  bool WasOpen(const std::vector<Wish>& wishes, Mono from) const;
  bool WasOpenThroughout(const std::vector<Wish>& wishes, Mono from) const;
  bool IsCancelled(const RequestObject& request, InstanceId id) const;
  void JudgeCall(const Call& call);
  void JudgeExecution(const simulator::Execution& execution);
  void JudgeEnd();
  bool AllFinal() const;

  base::Random random_;
  Shape shape_;
  Report report_;
  bool faults_on_ = true;
  Mono now_{Millis{10'000'000}};
  Millis wall_offset_{1'700'000'000'000};
  uint64_t order_ = 0;
  std::priority_queue<Due, std::vector<Due>, std::greater<>> agenda_;

  int64_t incarnation_ = 0;
  std::unique_ptr<Engine> engine_;
  uint64_t wake_order_ = 0;
  int idle_ticks_ = 0;
  std::string holder_;

  uint64_t version_ = 100;
  std::map<RequestKey, RequestObject> requests_;
  std::map<std::string, AccountObject> accounts_;
  std::map<std::pair<Lane, uint64_t>, BatchObject> batches_;
  std::map<Kind, Mono> last_delivery_;
  std::map<Kind, int> watches_;

  simulator::Cloud cloud_;
  std::vector<InstanceId> ids_;
  std::map<InstanceId, int> accepted_calls_;  // since last seen outside the bin
  std::map<InstanceId, std::vector<Wish>> wishes_;
  std::vector<Wish> account_open_;
  std::map<InstanceId, std::vector<Wish>> milder_;     // a live request wants it recycled only
  std::map<InstanceId, bool> destroy_wanted_;          // ever, by any request
  std::map<std::pair<Lane, uint64_t>, int> executed_;  // per entry
};

}  // namespace simulation
