// World: production engines among models of the kube-apiserver, the cloud, processes and users, in
// virtual time, from one seed. After every step the observer checks the invariants of
// docs/safety.md against the models' truth.

#pragma once

#include <functional>

#include "base/random.h"
#include "simulation/model.h"
#include "simulator/cloud.h"

namespace simulation {

extern const std::vector<std::string> kAccounts;
extern const std::vector<std::string> kRegions;
extern const std::string kHome;  // the endpoint where our instances are
extern const std::string kAway;

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
  };
  static bool IsLater(const std::unique_ptr<Due>& a, const std::unique_ptr<Due>& b) {
    return std::tie(a->at, a->order) > std::tie(b->at, b->order);
  }

  // world.cc: time and faults. Nature:
  Millis EffectDelay() override;
  Millis DescribeLag() override;
  bool NamesOffenders() override { return random_.Chance(0.7); }
  std::vector<std::string> Passing() override;
  bool FailsLater() override { return Fault("operation fails later", 0.08); }
  bool KeepsPostpaid() override { return shape_.keeps_postpaid; }
  bool Fault(const char* kind, double probability);
  /// Something of `process`, which a crash forgets and a freeze delays; for null of the world.
  void At(Process* process, Millis delay, std::function<void()> run);
  void Put(Due due);
  Due Take();
  Millis Delay(int64_t most) { return Millis{int64_t(random_.Below(uint64_t(most)))}; }
  Wall TrueTime() const { return Wall{now_.time_since_epoch() + wall_offset_}; }
  Mono ClockOf(const Process& p) const { return now_ - p.stood; }
  void Trace(const std::string& line);
  /// Whether the trace tells all of this instance.
  bool Follows(InstanceId id) const { return id == shape_.focus; }
  void Fail(const std::string& invariant);
  std::string AnAccount() { return kAccounts[random_.Below(uint64_t(shape_.accounts))]; }
  std::string ARegion() { return kRegions[random_.Below(uint64_t(shape_.regions))]; }
  template <class T>
  const T& OneOf(const std::vector<T>& all) {
    return all[random_.Below(all.size())];
  }

  // process.cc
  void Elect(Process& p);
  void Suffer(Process& p);
  void TakeTheLead(Process& p);
  void Terminate(Process& p);
  void Die(Process& p, const char* why);
  void Feed(Process& p, const Event& event);
  void Perform(Process& p, const Action& action);

  // lists.cc
  void Publish(Kind kind, const Event& event);
  void List(Process& p, Kind kind);
  void Tell(Process& p, Kind kind, Mono sent);
  std::vector<Event> ObjectsOf(Kind kind) const;
  void SendBookmarks(Process& p, Kind kind);
  void Do(Process& p, const Reconnect& a) { List(p, a.kind); }

  // cluster.cc
  void Do(Process& p, const Confirm& a);
  void Do(Process& p, const Commit& a);
  Committed Create(Process& p, const BatchObject& batch);
  void Do(Process& p, const ReadBatch& a);
  void Do(Process& p, const Record& a);
  void Do(Process& p, const DeleteBatch& a);
  void Do(Process& p, const WriteStatus& a);
  void Do(Process& p, const WriteAccountStatus& a);
  void Do(Process& p, const Announce& a);
  void Do(Process& p, const ReadLease& a);
  void Do(Process&, const Tally&) {}
  std::string NextVersion() { return std::to_string(++version_); }
  void PutRequest(RequestObject object, bool asks = true);
  void DropRequest(const RequestKey& key);
  void KeepPast(const std::string& account);
  void PutAccount(AccountObject object, bool asks = true);
  void DropAccount(const std::string& name);

  // service.cc
  void Do(Process& p, const Observe& a);
  std::variant<std::vector<Sight>, Refusal> Look(Process& p, const Observe& a,
                                                 const std::string& key);
  void Do(Process& p, const Call& a);
  void Deliver(Process* p, const Call& call, const std::string& key, uint64_t entry, Mono left);
  void Condemn(const std::vector<InstanceId>& ids);
  void Execute(Process* p, const Call& call, const std::string& key, uint64_t entry,
               Answered answer);
  void Answer(Process* p, Answered answer, Millis after);
  ServiceTime TimeOfAnswer(const Process* p);

  // refusals.cc
  void BeginTrouble(Mono until);
  void ScheduleTrouble();
  const Trouble* TroubleOf(const Lane& lane, const std::vector<InstanceId>& ids, bool call) const;
  Refusal RefusalOf(const std::string& code, const std::vector<InstanceId>& offenders);
  bool IsTooFewToDoubt(const Lane& lane) const;
  bool LooksEmpty(const Lane& lane);
  bool Misses(const Lane& lane, InstanceId id);

  // users.cc
  void Populate();
  RequestObject NewRequest(int number);
  std::vector<MemberSpec> NewMembers();
  void ScheduleUsers();
  void UserActs();
  void ActOnRequest();
  void EditRequest(RequestObject r);
  void Expect(MemberSpec& member);
  void ActOnLog();
  bool MayVanish(const StoredEntry& entry);
  bool IsTold(const BatchObject& batch) const;
  bool IsWitness(const RequestObject& request) const;
  void CleanUp();
  bool NeedsAPerson(const BatchObject& entry) const;
  void CloseByHand();

  // admins.cc
  void PopulateAccounts();
  AccountObject NewAccount(const std::string& name);
  void ActOnAccount();
  void ActOnSecret(const AccountObject& account);
  void EditAccount(AccountObject account);
  void MakeAccountAnew(const AccountObject& account);
  void PutAccountsRight();
  void Do(Process& p, const ReadCredentials& a);

  // others.cc
  void PopulateCloud(int total);
  void OthersAct();
  void ActOnInstance(InstanceId id);
  void Intrude();

  // observer.cc
  void UpdateTruth();
  void Mark(Spans& spans, bool so) const;
  static bool LetsIn(const AccountSpec& account, const RequestObject& request);
  bool SeemsLetIn(const RequestObject& request) const;
  bool IsLetIn(const RequestObject& request) const;
  bool IsCancelled(const RequestObject& request, InstanceId id) const;
  const StoredEntry* EntryOf(const Lane& lane, uint64_t sequence) const;
  void JudgeCall(const Process& p, const Call& call);
  void JudgeTime(const Process& p, const RequestObject& r);
  void JudgeWish(const Process& p, const Call& call);
  void JudgeRepeat(const BatchObject& entry, InstanceId id);
  void JudgeSend(const Process& p, const Call& call);
  void JudgeArrival(const Call& call, uint64_t entry);
  void PrepareExecution(const std::vector<InstanceId>& ids);
  void JudgeDryRun(const std::string& account, const std::vector<InstanceId>& ids);
  void JudgeExecution(const simulator::Execution& execution);
  void JudgeDeletion(const DeleteBatch& a);
  Millis SlackOf(const Process& p) const;

  // verdicts.cc
  void JudgeStatus(const Process& p, const RequestObject& before, const RequestObject& after);
  void JudgeEnd();
  void JudgeNumberOfCalls();
  bool Healed();
  std::string Unhealed();
  std::string WrongEnd(const RequestObject& request, const MemberStatus& member);
  std::string WrongBlock(const RequestObject& request, const MemberStatus& member);
  std::string WrongFailure(const RequestObject& request, const MemberStatus& member);
  std::string WrongAccount(const AccountObject& account);
  void ExplainEntry(const BatchObject& entry);
  std::string Explain(const MemberStatus& member) const;
  bool IsKnownHere(const Process& p, const RequestObject& request, InstanceId id) const;

  // counts.cc
  void Inspect();
  void InspectRequest(const RequestObject& request);
  void InspectAccount(const AccountObject& account);
  void InspectLog();
  void CountCall(const Call& call);
  void CountEntry(const BatchObject& batch);
  void CountLook(const Process& p, const Observe& a, const Refusal* refusal);
  void CountWrite(const RequestKey& key);
  void CountRefused(const std::vector<InstanceId>& ids);
  bool Serves(const Process& p, const std::string& account) const;
  void Fared(const std::string& account, Activity activity, const std::string& code);
  bool IsServed(const AccountObject& account, Millis for_so_long) const;
  bool NamesACode(const std::string& account, const AccountObject& a);
  void UsersAsk(const std::string& account);

  base::Random random_;
  Shape shape_;
  Report report_;
  std::map<std::string, int64_t> chances_;
  bool faults_on_ = true;
  bool healed_ = false;
  Mono quiet_{};  // faults stop then
  Mono now_{Millis{10'000'000}};
  Millis wall_offset_{1'700'000'000'000};
  uint64_t order_ = 0;
  std::vector<std::unique_ptr<Due>> agenda_;  // a heap

  std::vector<std::unique_ptr<Process>> processes_;
  std::map<std::string, Lease> leases_;  // by installation

  uint64_t version_ = 100;
  std::map<RequestKey, RequestObject> requests_;
  std::map<std::string, AccountObject> accounts_;
  std::map<EntryKey, StoredEntry> batches_;
  std::set<EntryKey> ever_;
  std::map<EntryKey, StoredEntry> vanished_;    // deleted by hand while open
  std::map<std::string, std::string> secrets_;  // by the Secret's name: the key in it

  simulator::Cloud cloud_;
  std::vector<InstanceId> ids_;
  std::vector<Trouble> troubles_;
  std::map<Lane, Mono> empty_since_;
  std::map<Lane, Mono> empty_until_;  // DescribeInstances shows nothing of a lane
  std::map<std::pair<Lane, InstanceId>, Mono> left_out_;  // when it was asked for meanwhile
  std::map<InstanceId, Mono> missed_since_;               // without having been shown in between
  std::map<InstanceId, Mono> missed_until_;               // it misses an instance for a moment
  Mono date_behind_until_{};
  Millis date_behind_{};
  int dry_run_attitude_ = 0;  // of the service: honours, ignores, does not know the parameter

  // What the observer knows.
  std::map<InstanceId, LastCall> last_calls_;
  std::set<std::string> failed_operations_;  // request ids that were shown as FAILED
  std::map<InstanceId, Mono> asked_at_;      // when somebody asked to look again
  std::map<InstanceId, Mono> meddled_at_;    // when others last changed it
  std::set<InstanceId> touched_;             // a call of ours executed, or may have
  Mono beyond_until_{};                      // the cloud broke a bound of its own not long ago
  std::multiset<RequestKey> writing_;        // statuses that are under way, whoever sent them
  std::set<InstanceId> orphans_;             // of an entry that was deleted by hand
  std::map<Lane, Mono> deleted_by_hand_;     // when the last one was
  std::set<InstanceId> restored_;            // others took it out of the bin
  std::set<InstanceId> missed_;              // not shown after a call was executed
  std::set<InstanceId> refused_;             // for reasons that end as Failed
  std::set<InstanceId> committed_;           // named by any entry ever
  std::map<std::pair<Lane, InstanceId>, Spans> wishes_;
  std::map<std::pair<Lane, InstanceId>, Spans> trials_;  // of requests in mode DryRun
  std::map<std::string, PastAccount> accounts_before_;
  std::map<std::string, Spans> open_accounts_;
  std::map<std::string, Spans> at_home_;       // its key and its endpoint are the right ones
  std::map<InstanceId, Spans> milder_;         // a live request wants it recycled only
  std::map<InstanceId, bool> destroy_wanted_;  // ever, by any request
  std::map<uint64_t, int> executed_;           // per entry
  std::map<uint64_t, Mono> created_;           // per entry
  int leaders_ = 0;
  std::deque<Mono> led_{};                                            // when they began
  std::map<std::string, std::vector<InstanceId>> dry_runs_executed_;  // by uid of the account
  // By lane, endpoint, credentials and id.
  std::map<std::tuple<Lane, std::string, std::string, InstanceId>, Sighted> sights_;
  std::map<InstanceId, Mono> judged_at_;  // when the service last looked at it for a call
  std::map<InstanceId, Mono> looked_at_;  // when the newest look that was answered was sent
  std::map<std::string, Effort> efforts_;
  std::map<RequestKey, Chatter> chatter_;
  std::map<std::pair<RequestKey, InstanceId>, Shown> shown_;
  std::map<RequestKey, Mono> edited_at_;
  std::map<InstanceId, int> refused_calls_;  // for a reason of its own, and nobody asked
  size_t calls_ = 0;
  bool used_get_ = false;
  bool clocks_jumped_ = false;
  std::set<InstanceId> closed_by_hand_;
};

/// All keys of our cloud account; any other sees nothing of ours.
bool IsOurs(const std::string& key);
/// Whether a refusal is that of the account, or of all, rather than of an instance.
bool IsOfAccount(retirement::Fault fault);
inline constexpr const char* kOurKey = "key-1";
inline constexpr const char* kOurOtherKey = "key-1b";
inline constexpr const char* kStrangeKey = "key-2";

}  // namespace simulation
