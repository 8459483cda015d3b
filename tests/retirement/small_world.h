// SmallWorld: one engine among polite models of the kube-apiserver and the cloud, which answer
// every action after a moment; each test makes one of them rude, and counts.

#pragma once

#include <functional>
#include <map>
#include <set>

#include "created.h"
#include "retirement/engine_fixture.h"

namespace retirement {

class SmallWorld : public EngineTest {
 protected:
  SmallWorld() { version_ = 1000; }
  using Answer_ = std::variant<std::vector<Sight>, Refusal>;

  static std::string Id(int n) {
    std::string digits = std::to_string(n);
    return "ins-" + std::string(8 - digits.size(), '0') + digits;
  }
  static std::vector<std::string> Ids(int first, int count) {
    std::vector<std::string> ids;
    for (int i = 0; i < count; ++i) ids.push_back(Id(first + i));
    return ids;
  }
  static InstanceId Parsed(const std::string& id) { return *InstanceId::Parse(id); }
  static Sight Is(InstanceId id, std::string_view state,
                  std::string_view charge = "POSTPAID_BY_HOUR") {
    Sight s;
    s.id = id;
    s.state = state;
    s.charge = ChargeType(charge);
    s.name = "name";
    return s;
  }
  static std::vector<Sight> All(const Observe& a, std::string_view state,
                                std::string_view charge = "POSTPAID_BY_HOUR") {
    std::vector<Sight> sights;
    for (const InstanceId id : a.ids) sights.push_back(Is(id, state, charge));
    return sights;
  }
  /// What is not gone is running.
  Answer_ Living(const Observe& a) {
    std::vector<Sight> sights;
    for (const InstanceId id : a.ids) {
      if (!gone_.contains(id)) sights.push_back(Is(id, "RUNNING"));
    }
    return sights;
  }

  void Start(const std::vector<RequestObject>& requests, const std::vector<BatchObject>& log = {}) {
    accounts_.emplace(account_.name, account_);
    for (const BatchObject& b : log) log_[{b.lane, b.sequence}] = b;
    for (const RequestObject& r : requests) requests_[r.key] = r;
    Tell(Lead{base::kNever});
    for (const Kind kind : {Kind::kBatch, Kind::kAccount, Kind::kRequest}) List(kind);
  }
  void List(Kind kind) {
    Tell(ResetBegin{{kind, ""}});
    if (kind == Kind::kAccount) {
      for (const auto& [name, a] : std::map(accounts_)) Tell(AccountSeen{a});
    } else if (kind == Kind::kRequest) {
      for (const auto& [key, r] : std::map(requests_)) Tell(RequestSeen{r});
    } else {
      for (const auto& [key, b] : std::map(log_)) Tell(BatchSeen{b});
    }
    Tell(ResetEnd{{kind, ""}, std::to_string(version_), now_.mono});
  }
  /// Another world, with nothing in it.
  void Fresh() {
    engine_ = Engine(Config{{}, hours{720}, "operator", "me", {""}});
    due_.clear();
    gone_.clear();
    requests_.clear();
    accounts_.clear();
    log_.clear();
    called_.clear();
    looked_.clear();
    committed_at_.clear();
  }
  void Tell(const Event& event) {
    ++steps_;
    const StepResult result = engine_.Step(event, now_);
    wake_ = result.wake;
    for (const Action& action : result.actions) {
      std::visit([this](const auto& a) { Do(a); }, action);
    }
  }
  /// What is remembered is what the cluster stores.
  void Restart() {
    engine_ = Engine(Config{{}, hours{720}, "operator", "another", {""}});
    due_.clear();
    Start({});
  }
  void Put(RequestObject r) {
    r.version = NextVersion();
    requests_[r.key] = r;
    Tell(RequestSeen{r});
  }
  void Edit(const std::string& name, const std::function<void(RequestObject&)>& change) {
    RequestObject r = requests_.at({"team", name});
    change(r);
    Put(r);
  }
  void EditAccount(const std::function<void(AccountObject&)>& change) {
    AccountObject& a = accounts_.at("default");
    change(a);
    ++a.generation;
    a.version = NextVersion();
    Tell(AccountSeen{AccountObject(a)});
  }
  void Rotate(const std::string& key) {
    key_ = key;
    Tell(CredentialsChanged{"default", key, "", "", key});
  }
  void Go(Millis time) {
    const Mono end = now_.mono + time;
    while (true) {
      const Mono next = due_.empty() ? wake_ : std::min(wake_, due_.begin()->first);
      if (next > end) break;
      Advance(std::max(next, now_.mono));
      if (!due_.empty() && due_.begin()->first <= now_.mono) {
        const Event event = due_.begin()->second;
        due_.erase(due_.begin());
        Tell(event);
      } else {
        Advance(now_.mono + Millis{1});
        Tell(Tick{});
      }
    }
    Advance(end);
  }
  /// Goes on until it is so, at most for `longest`.
  bool GoUntil(const std::function<bool()>& so, Millis longest) {
    for (const Mono end = now_.mono + longest; now_.mono < end && !so();) Go(Millis{50});
    return so();
  }

  const RequestStatus& StatusOf(const std::string& name) {
    return requests_.at({"team", name}).status;
  }
  int CountOfState(const std::string& name, MemberState state) {
    return StatusOf(name).summary.count[size_t(state)];
  }
  const MemberStatus& Told(const std::string& name, size_t member = 0) {
    return StatusOf(name).members.at(member);
  }
  static Condition In(const std::vector<Condition>& conditions, const std::string& type) {
    for (const Condition& c : conditions) {
      if (c.type == type) return c;
    }
    return {};
  }
  Condition AccountReady() { return In(accounts_.at("default").status.conditions, "Ready"); }
  Condition Ready(const std::string& name) { return In(StatusOf(name).conditions, "Ready"); }
  /// Everything that the status of a request says in words.
  std::string WordsOf(const std::string& name) {
    std::string text;
    for (const Condition& c : StatusOf(name).conditions) text += c.reason + " " + c.message + "\n";
    for (const MemberStatus& m : StatusOf(name).members) {
      text += std::string(ToString(m.reason)) + " " + std::string(m.message_view()) + "\n";
    }
    return text;
  }
  std::string WordsOfAccount() {
    std::string text;
    for (const Condition& c : accounts_.at("default").status.conditions) {
      text += c.reason + " " + c.message + "\n";
    }
    return text;
  }
  size_t OpenEntries() const {
    return size_t(std::count_if(log_.begin(), log_.end(),
                                [](const auto& item) { return !IsClosed(item.second.phase); }));
  }

  std::function<Answer_(const Observe&)> describe_ = [this](const Observe& a) { return Living(a); };
  /// Called at the arrival of a call; changes the answer, which is Accepted.
  std::function<void(const Call&, Answered&)> terminate_ = [this](const Call& c, Answered&) {
    gone_.insert(c.ids.begin(), c.ids.end());
  };
  std::string refuse_commits_{};  // why the kube-apiserver creates no entry, "" for it does
  bool shows_entries_ = true;     // the watch of RetirementBatches
  std::string key_ = "key";
  Millis answer_late_{100};  // the next call's
  Millis list_time_{200};
  Millis confirm_time_{20};
  Millis commit_time_{20};
  bool lose_commits_ = false;  // made and shown, but the answer is given up after half a minute
  bool lose_deletes_ = false;
  bool lose_records_ = false;
  Millis record_time_{20};
  bool malformed_ = false;  // an object that cannot be read has the name of every entry
  int commits_ = 0;
  int steps_ = 0;
  int confirms_ = 0;
  std::string restless_{};   // the request that is edited whenever it is read live
  Millis service_ahead_{0};  // of the machine's wall clock
  std::set<InstanceId> gone_{};
  std::map<RequestKey, RequestObject> requests_{};
  std::map<std::string, AccountObject> accounts_{};
  std::map<std::pair<Lane, uint64_t>, BatchObject> log_{};
  std::vector<Call> called_{};
  std::vector<Mono> looked_{};
  std::vector<Mono> committed_at_{};
  int refused_commits_ = 0;
  int conflicts_ = 0;  // of records
  int status_writes_ = 0;
  int account_writes_ = 0;
  int announced_ = 0;
  int relists_ = 0;

 private:
  void Advance(Mono to) {
    now_.wall += to - now_.mono;
    now_.mono = to;
  }
  std::string NextVersion() { return std::to_string(++version_); }
  void In(Millis delay, Event event) { due_.emplace(now_.mono + delay, std::move(event)); }
  ServiceTime Time() {
    return {std::chrono::floor<seconds>(now_.wall + service_ahead_), now_.mono};
  }

  void Do(const Observe& a) {
    looked_.push_back(now_.mono);
    Observed o{a.lane, a.ids, now_.mono, key_, std::vector<Sight>{}, Time(), a.options.endpoint};
    o.answer = describe_(a);
    In(Millis{100}, o);
  }
  void Do(const Confirm& a) {
    ++confirms_;
    for (const RequestKey& key : a.requests) {
      if (key.name != restless_) continue;
      RequestObject& r = requests_.at(key);
      ++r.generation;
      r.spec.suspend = false;
      r.version = NextVersion();
      In(milliseconds{300}, RequestSeen{r});
    }
    Confirmed done{a.token, now_.mono, true, {}, {}};
    for (const RequestKey& key : a.requests) {
      const auto found = requests_.find(key);
      LiveRequest live{key, found != requests_.end(), "", 0, false, "", ""};
      if (live.found) {
        const RequestObject& r = found->second;
        live = {key, true, r.uid, r.generation, r.deleting, r.hold, r.version};
      }
      done.requests.push_back(live);
    }
    if (const auto found = accounts_.find(a.account); found != accounts_.end()) {
      const AccountObject& o = found->second;
      done.account = LiveAccount{o.name, true, o.uid, o.generation, o.version};
    }
    In(confirm_time_, done);
  }
  void Do(const Commit& a) {
    ++commits_;
    Committed done{a.batch.lane, a.batch.sequence, Committed::Outcome::kCreated, "", ""};
    if (malformed_) {
      done.outcome = Committed::Outcome::kExists;
      return In(Millis{20}, done);
    }
    if (!refuse_commits_.empty() || int64_t(a.batch.sequence) < 1 ||
        a.batch.sequence > kLastSequence) {
      ++refused_commits_;
      done.outcome =
          refuse_commits_.empty() ? Committed::Outcome::kInvalid : Committed::Outcome::kFailed;
      done.error = refuse_commits_;
      return In(Millis{20}, done);
    }
    committed_at_.push_back(now_.mono);
    BatchObject stored = AsCreated(a.batch);
    stored.version = done.version = NextVersion();
    if (lose_commits_) {
      done.outcome = Committed::Outcome::kFailed;
      done.version.clear();
      done.error = "no answer";
    }
    if (lose_commits_ && log_.contains({stored.lane, stored.sequence}))
      return In(seconds{30}, done);
    log_[{stored.lane, stored.sequence}] = stored;
    In(lose_commits_ ? Millis{seconds{30}} : commit_time_, done);
    if (shows_entries_) In(commit_time_ + Millis{10}, BatchSeen{stored});
  }
  void Do(const ReadBatch& a) {
    const auto found = log_.find({a.lane, a.sequence});
    if (found == log_.end()) return In(Millis{20}, BatchGone{a.lane, a.sequence});
    In(Millis{20}, BatchSeen{found->second, true});
  }
  void Do(const Call& a) {
    called_.push_back(a);
    Answered done{a.lane, a.sequence, Answered::Outcome::kAccepted, "request-id", {},
                  false,  Time()};
    terminate_(a, done);
    In(std::exchange(answer_late_, Millis{100}), done);
  }
  void Do(const Record& a) {
    const auto found = log_.find({a.batch.lane, a.batch.sequence});
    const bool conflict = found != log_.end() && found->second.version != a.batch.version;
    conflicts_ += conflict;
    const bool missing = found == log_.end();
    if (conflict || missing || lose_records_) {
      const Lane& lane = a.batch.lane;
      return In(Millis{20},
                Recorded{lane, a.batch.sequence, false, conflict, missing, "", now_.mono});
    }
    BatchObject stored = a.batch;
    stored.version = NextVersion();
    log_[{stored.lane, stored.sequence}] = stored;
    In(record_time_,
       Recorded{stored.lane, stored.sequence, true, false, false, stored.version, now_.mono});
    if (shows_entries_) In(Millis{30}, BatchSeen{stored});
  }
  void Do(const DeleteBatch& a) {
    if (lose_deletes_) return;
    log_.erase({a.lane, a.sequence});
    In(Millis{20}, BatchGone{a.lane, a.sequence});
  }
  void Do(const WriteStatus& a) {
    ++status_writes_;
    const auto found = requests_.find(a.key);
    if (found == requests_.end()) return;
    found->second.status = a.status;
    const std::string version = found->second.version = NextVersion();
    In(Millis{20}, StatusWritten{Kind::kRequest, a.key, true, false, version, now_.mono, false});
    In(Millis{30}, RequestSeen{found->second});
  }
  void Do(const WriteAccountStatus& a) {
    ++account_writes_;
    AccountObject& o = accounts_.at(a.name);
    o.status = a.status;
    o.version = NextVersion();
    In(Millis{20},
       StatusWritten{Kind::kAccount, {"", a.name}, true, false, o.version, now_.mono, false});
    In(Millis{30}, AccountSeen{o});
  }
  void Do(const ReadCredentials& a) {
    In(Millis{20}, CredentialsChanged{a.account, key_, "", a.spec.secret_name, key_});
  }
  void Do(const Announce&) { ++announced_; }
  void Do(const Reconnect& a) {
    ++relists_;
    const Stream stream{a.kind, ""};
    In(Millis{20}, ResetBegin{stream});
    for (const auto& [key, r] : requests_) {
      if (a.kind == Kind::kRequest) In(list_time_, RequestSeen{r});
    }
    for (const auto& [name, o] : accounts_) {
      if (a.kind == Kind::kAccount) In(list_time_, AccountSeen{o});
    }
    for (const auto& [key, b] : log_) {
      if (a.kind == Kind::kBatch) In(list_time_, BatchSeen{b});
    }
    In(list_time_, ResetEnd{stream, std::to_string(version_), now_.mono});
  }
  void Do(const ReadLease&) {}
  void Do(const Tally&) {}

  std::multimap<Mono, Event> due_{};
};

}  // namespace retirement
