#include "simulation/world.h"

#include <algorithm>

#include "retirement/accounts.h"
#include "retirement/batches.h"
#include "retirement/durations.h"
#include "retirement/outbox.h"
#include "retirement/registry.h"
#include "retirement/sights.h"

namespace simulation {
namespace {

constexpr Millis kLease{10'000};
// A request that nobody of a batch names is known by the watch only, however late it is.
constexpr Millis kLongestLag{30'000};
constexpr Millis kTimeOut{30'000};
const Lane kLane{"default", "ap-guangzhou"};

std::string IdText(int n) {
  std::string text = "ins-00000000";
  for (size_t i = text.size() - 1; n > 0; --i, n /= 10) text[i] = char('0' + n % 10);
  return text;
}

Sight SightOf(const simulator::Instance& i) {
  Sight s;
  s.id = *InstanceId::Parse(i.id);
  s.charge = ChargeType(i.charge);
  s.state = i.state;
  s.operating = i.operation_state == "OPERATING";
  s.protected_from_termination = i.protected_from_termination;
  s.name = i.name;
  s.private_ips = {i.private_ip};
  return s;
}

/// The part of cvm/errors that the model can answer with.
Refusal RefusalOf(const simulator::Reply& reply) {
  Refusal r{Fault::kFinal, Reason::kNotReturnable, reply.code, reply.message, {}};
  if (reply.code.find("NotFound") != std::string::npos ||
      reply.code.find("Terminat") != std::string::npos) {
    r.fault = Fault::kObserve;
  } else if (reply.code.find("Protected") != std::string::npos) {
    r.fault = Fault::kBlocked;
    r.reason = Reason::kInstanceProtected;
  } else if (reply.code.find("InProgress") != std::string::npos ||
             reply.code.find("State") != std::string::npos) {
    r.fault = Fault::kBusy;
    r.reason = Reason::kInstanceBusy;
  } else if (reply.code.find("Mixed") != std::string::npos) {
    r.fault = Fault::kSplit;
  }
  size_t at = 0;
  while ((at = reply.message.find("ins-", at)) != std::string::npos) {
    if (const auto id = InstanceId::Parse(reply.message.substr(at, 12))) r.hinted.push_back(*id);
    at += 4;
  }
  return r;
}

}  // namespace

World::World(uint64_t seed, const Shape& shape)
    : random_(seed), shape_(shape), cloud_(*static_cast<simulator::Nature*>(this)) {
  Populate();
  ScheduleUsers();
  StartProcess();
}

Millis World::EffectDelay() { return Delay(20'000); }

Millis World::DescribeLag() {
  if (Fault("describe lags", 0.2)) return Delay(30'000);
  return Millis{0};
}

bool World::Fault(const char* kind, double probability) {
  if (!faults_on_ || !random_.Chance(probability * shape_.faults)) return false;
  ++report_.faults[kind];
  return true;
}

void World::At(Millis delay, std::function<void()> run, bool bound) {
  agenda_.push({now_ + delay, ++order_, bound ? incarnation_ : -1, std::move(run)});
}

void World::Trace(const std::string& line) {
  report_.trace.push_back(std::to_string(now_.time_since_epoch().count()) + " " + line);
  if (report_.trace.size() > 400) report_.trace.erase(report_.trace.begin());
}

void World::Fail(const std::string& invariant) {
  if (!report_.violation.empty()) return;
  report_.violation = invariant;
  Trace("VIOLATION " + invariant);
}

Report World::Run() {
  const Mono quiet = now_ + Millis{600'000};
  const Mono end = quiet + hours{4};
  while (report_.violation.empty() && !agenda_.empty() && report_.steps < shape_.steps * 10) {
    const Due due = agenda_.top();
    agenda_.pop();
    now_ = std::max(now_, due.at);
    if (now_ > quiet) faults_on_ = false;
    if (!faults_on_ && AllFinal()) break;
    if (now_ > end) break;
    if (due.incarnation != -1 && due.incarnation != incarnation_) continue;
    due.run();
  }
  if (report_.violation.empty()) JudgeEnd();
  return report_;
}

// --- process ---

void World::StartProcess() {
  ++incarnation_;
  holder_ = "process-" + std::to_string(incarnation_);
  Trace("start of " + holder_);
  engine_ = std::make_unique<Engine>(Config{{}, hours{720}, "operator", holder_, {""}});
  Feed(Lead{now_ + kLease});
  RenewLease();
  ListAll();
}

void World::RenewLease() {
  At(Millis{1'000}, [this] {
    if (!Fault("lease not renewed", 0.02)) Feed(Lead{now_ + kLease});
    RenewLease();
  });
}

void World::ListAll() {
  for (const Kind kind : {Kind::kBatch, Kind::kAccount, Kind::kRequest}) List(kind);
}

void World::List(Kind kind) {
  const Mono sent = now_;
  At(Delay(200), [this, kind, sent] {
    const Stream stream{kind, ""};
    last_delivery_[kind] = now_;
    ++watches_[kind];
    Feed(ResetBegin{stream});
    if (kind == Kind::kRequest) {
      for (const auto& [key, object] : std::map(requests_)) Feed(RequestSeen{object});
    } else if (kind == Kind::kAccount) {
      for (const auto& [name, object] : std::map(accounts_)) Feed(AccountSeen{object});
    } else {
      for (const auto& [name, object] : std::map(batches_)) Feed(BatchSeen{object});
    }
    Feed(ResetEnd{stream, std::to_string(version_), sent});
  });
}

void World::Feed(const Event& event) {
  ++report_.steps;
  // A wake-up that changes nothing and asks for itself again would burn a core.
  idle_ticks_ = std::holds_alternative<Tick>(event) ? idle_ticks_ + 1 : 0;
  if (idle_ticks_ > 500) {
    const State& st = engine_->state();
    const auto d = [&](Mono m) {
      return m == base::kNever ? std::string("never") : std::to_string((m - now_).count());
    };
    Trace("look " + d(NextLook(st, Present())) + " batch " + d(NextBatchWake(st, Present())) +
          " write " + d(NextWrite(st)) + " acct " + d(NextAccountWrite(st)) + " wall " +
          d(NextWallWake(st, Present())));
  }
  if (idle_ticks_ > 500) Fail("E4: the engine wakes without doing anything");
  StepResult result = engine_->Step(event, Present());
  const int64_t process = incarnation_;
  for (const Action& action : result.actions) {
    // A process may die between any two of its actions.
    if (Fault("crash", 0.0015)) {
      At(
          Delay(20'000), [this] { StartProcess(); }, false);
      ++incarnation_;
      return;
    }
    if (process != incarnation_) return;
    Perform(action);
  }
  if (result.wake == base::kNever) return;
  const uint64_t order = ++wake_order_;
  At(std::max(Millis{0}, result.wake - now_), [this, order] {
    if (order == wake_order_) Feed(Tick{});
  });
}

void World::Perform(const Action& action) {
  std::visit([this](const auto& a) { Do(a); }, action);
}

// --- cloud ---

void World::Do(const Observe& a) {
  const Mono sent = now_;
  const auto reply = [this, a, sent](std::variant<std::vector<Sight>, Refusal> answer) {
    Observed observed{a.lane, a.ids, sent, "key-1", std::move(answer), {}};
    observed.service_time = ServiceTime{std::chrono::floor<seconds>(Present().wall), now_};
    At(Delay(200), [this, observed] { Feed(observed); });
  };
  At(Delay(300), [this, a, reply] {
    if (a.ids.size() > 100) Fail("a look at more than 100 ids");
    if (Fault("describe throttled", 0.05)) {
      return reply(
          Refusal{Fault::kThrottled, Reason::kNone, "RequestLimitExceeded", "slow down", {}});
    }
    if (Fault("describe fails", 0.05)) {
      return reply(Refusal{Fault::kUnreachable, Reason::kNone, "", "no connection", {}});
    }
    simulator::DescribeRequest request{a.lane.region, {}, 0, 100};
    for (const InstanceId id : a.ids) request.ids.push_back(id.ToString());
    std::vector<Sight> sights;
    for (const auto& instance : cloud_.Describe(request, now_).instances) {
      sights.push_back(SightOf(instance));
    }
    reply(sights);
  });
}

void World::Do(const Call& a) {
  JudgeCall(a);
  Trace("call " + std::to_string(a.sequence) + " with " + std::to_string(a.ids.size()));
  At(Fault("slow send", 0.05) ? Delay(70'000) : Delay(50), [this, a] {
    Answered not_sent{a.lane, a.sequence, Answered::Outcome::kNotSent, {}, {}, false, {}};
    if (now_ > a.send_before) return Answer(a, not_sent, Millis{0});
    if (Fault("no connection", 0.03)) return Answer(a, not_sent, Delay(5'000));
    // What has left may arrive late, even after its sender has died.
    const Millis late = Fault("call delayed in the network", 0.05) ? Delay(120'000) : Delay(100);
    At(
        late, [this, a] { Deliver(a); }, false);
    Answered unclear{a.lane, a.sequence, Answered::Outcome::kUnclear, {}, {}, false, {}};
    Answer(a, unclear, kTimeOut);
  });
}

/// The service: refuses old signatures, throttles, executes; the answer may get lost.
void World::Deliver(const Call& call) {
  Answered answer{call.lane, call.sequence, Answered::Outcome::kRefusedUnseen, {}, {}, false, {}};
  answer.service_time = ServiceTime{std::chrono::floor<seconds>(Present().wall), now_};
  if (Present().wall - call.signed_at > kSignatureAge) {
    ++report_.faults["signature refused as expired"];
    answer.refusal = {Fault::kExpired, Reason::kNone, "AuthFailure.SignatureExpire", "", {}};
    return Answer(call, answer, Delay(100));
  }
  if (Fault("call throttled", 0.1)) {
    answer.refusal = {Fault::kThrottled, Reason::kNone, "RequestLimitExceeded", "", {}};
    return Answer(call, answer, Delay(100));
  }
  if (Fault("account refused", 0.04)) {
    answer.outcome = Answered::Outcome::kRejected;
    answer.refusal = {
        retirement::Fault::kAccount, Reason::kNone, "InvalidAccount.UnpaidOrder", "", {}};
    return Answer(call, answer, Delay(100));
  }
  if (Fault("service fails", 0.05)) {
    answer.outcome = Answered::Outcome::kRejected;
    answer.refusal = {retirement::Fault::kServer, Reason::kNone, "InternalServerError", "", {}};
    return Answer(call, answer, Delay(100));
  }
  simulator::TerminateRequest request{call.lane.region, {}, "request-" + std::to_string(order_)};
  for (const InstanceId id : call.ids) request.ids.push_back(id.ToString());
  const simulator::Reply reply = cloud_.Terminate(request, now_);
  JudgeExecution(cloud_.executions().back());
  if (reply.ok()) {
    if (++executed_[{call.lane, call.sequence}] > 1) Fail("S3: entry executed twice");
  }
  Trace("executed " + std::to_string(call.sequence) + " " + (reply.ok() ? "ok" : reply.code));
  if (Fault("answer lost", 0.1)) return;
  answer.request_id = request.request_id;
  answer.outcome = reply.ok() ? Answered::Outcome::kAccepted : Answered::Outcome::kRejected;
  if (!reply.ok()) answer.refusal = RefusalOf(reply);
  Answer(call, answer, Fault("late answer", 0.05) ? Delay(60'000) : Delay(300));
}

void World::Answer(const Call&, Answered answer, Millis after) {
  // The first answer counts: the engine ignores one for an entry that is not being called.
  At(after, [this, answer] { Feed(answer); });
}

// --- store ---

void World::Publish(Kind kind, Event event) {
  const Millis lag = Fault("watch lags", 0.05) ? Delay(8'000) : Delay(50);
  const Mono at = std::max(last_delivery_[kind], now_ + lag);
  last_delivery_[kind] = at;
  // A watch goes on from the version of its list: what was under way before never arrives.
  At(at - now_, [this, event, kind, watch = watches_[kind]] {
    if (watch == watches_[kind]) Feed(event);
  });
  if (Fault("watch cut", 0.01)) List(kind);
}

void World::Do(const Commit& a) {
  // A write that is under way survives the process that made it; its answer does not.
  const int64_t process = incarnation_;
  At(
      Delay(100),
      [this, a, process] {
        const auto key = std::pair(a.batch.lane, a.batch.sequence);
        Committed done{a.batch.lane, a.batch.sequence, Committed::Outcome::kExists, "", ""};
        if (Fault("create refused", 0.02)) {
          done.outcome = Committed::Outcome::kFailed;
        } else if (!batches_.contains(key)) {
          BatchObject stored = a.batch;
          stored.version = NextVersion();
          done = {a.batch.lane, a.batch.sequence, Committed::Outcome::kCreated, stored.version, ""};
          batches_[key] = stored;
          Publish(Kind::kBatch, BatchSeen{stored});
        }
        if (process == incarnation_) At(Delay(100), [this, done] { Feed(done); });
      },
      false);
}

void World::Do(const ReadBatch& a) {
  At(Delay(100), [this, a] {
    const auto found = batches_.find({a.lane, a.sequence});
    if (found != batches_.end()) Feed(BatchSeen{found->second});
  });
}

void World::Do(const Record& a) {
  // A write that is under way survives the process that made it; its answer does not.
  const int64_t process = incarnation_;
  At(
      Delay(100),
      [this, a, process] {
        Recorded done{a.batch.lane, a.batch.sequence, false, false, false, "", now_};
        const auto found = batches_.find({a.batch.lane, a.batch.sequence});
        if (found == batches_.end()) {
          done.missing = true;
        } else if (found->second.version != a.batch.version) {
          done.conflict = true;
        } else if (!Fault("record refused", 0.03)) {
          found->second = a.batch;
          found->second.version = done.version = NextVersion();
          done.written = true;
          Publish(Kind::kBatch, BatchSeen{found->second});
          if (Fault("answer to a write lost", 0.03)) done.written = false;
        }
        if (process == incarnation_) At(Delay(100), [this, done] { Feed(done); });
      },
      false);
}

void World::Do(const DeleteBatch& a) { batches_.erase({a.lane, a.sequence}); }

void World::Do(const WriteStatus& a) {
  // A write that is under way survives the process that made it; its answer does not.
  const int64_t process = incarnation_;
  At(
      Delay(100),
      [this, a, process] {
        StatusWritten done{Kind::kRequest, a.key, false, false, "", now_};
        const auto found = requests_.find(a.key);
        if (found == requests_.end() || found->second.version != a.version) {
          done.conflict = true;
        } else if (!Fault("status write refused", 0.03)) {
          found->second.status = a.status;
          found->second.version = done.version = NextVersion();
          done.written = true;
          Publish(Kind::kRequest, RequestSeen{found->second});
          if (Fault("answer to a write lost", 0.03)) done.written = false;
        }
        if (process == incarnation_) At(Delay(100), [this, done] { Feed(done); });
      },
      false);
}

void World::Do(const WriteAccountStatus& a) {
  At(Delay(100), [this, a] {
    StatusWritten done{Kind::kAccount, {"", a.name}, false, false, "", now_};
    const auto found = accounts_.find(a.name);
    if (found == accounts_.end() || found->second.version != a.version) {
      done.conflict = true;
    } else {
      found->second.status = a.status;
      found->second.version = done.version = NextVersion();
      done.written = true;
      Publish(Kind::kAccount, AccountSeen{found->second});
    }
    At(Delay(100), [this, done] { Feed(done); });
  });
}

void World::Do(const Confirm& a) {
  const Mono sent = now_;
  At(Delay(200), [this, a, sent] {
    Confirmed done{a.token, sent, !Fault("live read fails", 0.05), {}, {}};
    for (const RequestKey& key : a.requests) {
      LiveRequest live{key, false, "", 0, false, ""};
      if (const auto found = requests_.find(key); found != requests_.end()) {
        const RequestObject& o = found->second;
        live = {key, true, o.uid, o.generation, o.deleting, o.hold};
      }
      done.requests.push_back(live);
    }
    if (const auto found = accounts_.find(a.account); found != accounts_.end()) {
      done.account = LiveAccount{a.account, true, found->second.uid, found->second.generation};
    }
    At(Delay(200), [this, done] { Feed(done); });
  });
}

void World::Do(const Reconnect& a) { List(a.kind); }

void World::Do(const ReadCredentials& a) {
  const bool missing = Fault("Secret missing", 0.05);
  At(Delay(50), [this, a, missing] {
    if (missing) return Feed(CredentialsChanged{a.account, "", "no such Secret", "", ""});
    Feed(CredentialsChanged{a.account, "key-1", "", "", "1"});
  });
}

void World::Do(const ReadLease& a) {
  At(Delay(50), [this, a] { Feed(LeaseSeen{a.account, a.ns, false}); });
}

void World::PutRequest(RequestObject object) {
  object.version = NextVersion();
  Trace("put " + object.key.name + " v" + object.version + " hold " + object.hold);
  requests_[object.key] = object;
  UpdateWishes();
  Publish(Kind::kRequest, RequestSeen{object});
}

void World::DropRequest(const RequestKey& key) {
  Trace("drop " + key.name);
  requests_.erase(key);
  ++version_;
  UpdateWishes();
  Publish(Kind::kRequest, RequestGone{key});
}

void World::PutAccount(AccountObject object) {
  object.version = NextVersion();
  accounts_[object.name] = object;
  Trace("put account v" + object.version + (object.spec.paused ? " paused" : "") +
        (object.spec.mode == Mode::kDryRun ? " DryRun" : ""));
  UpdateWishes();
  Publish(Kind::kAccount, AccountSeen{object});
}

// --- observer ---

void World::Mark(std::vector<Wish>& wishes, bool wanted) {
  const bool open = !wishes.empty() && wishes.back().until == base::kNever;
  if (wanted && !open) wishes.push_back({now_, base::kNever});
  if (!wanted && open) wishes.back().until = now_;
}

/// What has expired wants nothing any more.
bool World::IsCancelled(const RequestObject& r, InstanceId id) const {
  if (r.spec.expires_at && *r.spec.expires_at <= Present().wall) return true;
  return std::any_of(r.status.members.begin(), r.status.members.end(), [&](const MemberStatus& m) {
    return m.id == id && m.state == MemberState::kCancelled;
  });
}

/// Views of two kinds may be of different age, so each is judged by itself.
void World::UpdateWishes() {
  const AccountObject& account = accounts_.at("default");
  Mark(account_open_, account.spec.mode == Mode::kExecute && !account.spec.paused);
  std::set<InstanceId> wanted;
  std::set<InstanceId> milder;
  for (const auto& [key, r] : requests_) {
    const bool recycle =
        r.spec.mode == Mode::kExecute && r.spec.intent.prepaid == PrepaidPolicy::kRecycle;
    const bool may = r.spec.mode == Mode::kExecute && !r.spec.suspend && r.hold.empty();
    for (const MemberSpec& m : r.spec.members) {
      if (may) wanted.insert(m.id);
      if (recycle && !IsCancelled(r, m.id)) milder.insert(m.id);
      if (r.spec.intent.prepaid == PrepaidPolicy::kDestroy) destroy_wanted_[m.id] = true;
    }
  }
  for (const InstanceId id : ids_) {
    Mark(wishes_[id], wanted.contains(id));
    Mark(milder_[id], milder.contains(id));
  }
}

bool World::WasOpen(const std::vector<Wish>& wishes, Mono from) const {
  return std::any_of(wishes.begin(), wishes.end(), [&](const Wish& w) { return w.until > from; });
}

bool World::WasOpenThroughout(const std::vector<Wish>& wishes, Mono from) const {
  return !wishes.empty() && wishes.back().since <= from && wishes.back().until == base::kNever;
}

void World::JudgeCall(const Call& call) {
  UpdateWishes();  // time alone ends what expires
  if (call.ids.empty() || call.ids.size() > 100) Fail("S1: number of ids");
  if (std::set<InstanceId>(call.ids.begin(), call.ids.end()).size() != call.ids.size()) {
    Fail("S1: an id twice");
  }
  const auto entry = batches_.find({call.lane, call.sequence});
  if (entry == batches_.end()) return Fail("S3: a call without a committed entry");
  if (entry->second.phase != BatchPhase::kIntent) Fail("S3: a call for an entry that has ended");
  for (const InstanceId id : call.ids) {
    if (entry->second.step == Step::kSecond && WasOpenThroughout(milder_[id], now_ - kLongestLag)) {
      Fail("S5: a live request wants " + id.ToString() + " in the bin");
    }
    if (!WasOpen(wishes_[id], now_ - kMaxViewAge)) {
      Fail("S6: " + id.ToString() + " is not wanted");
    }
  }
  if (!WasOpen(account_open_, now_ - kMaxViewAge)) Fail("S10: the account does not execute");
}

void World::JudgeExecution(const simulator::Execution& e) {
  if (!e.code.empty()) return;
  std::set<std::string> charges;
  for (size_t i = 0; i < e.ids.size(); ++i) {
    const InstanceId id = *InstanceId::Parse(e.ids[i]);
    const simulator::Instance* instance = cloud_.Find(e.ids[i], e.at);
    charges.insert(instance->charge);
    if (instance->charge != kPrepaid) {
      if (++accepted_calls_[id] > 1) Fail("S5: second accepted call for " + e.ids[i]);
    } else if (!e.was_in_bin[i]) {
      accepted_calls_[id] = 1;
    } else if (!destroy_wanted_[id]) {
      Fail("S5: " + e.ids[i] + " was to be recycled and is destroyed");
    } else if (++accepted_calls_[id] > 2) {
      Fail("S5: third accepted call for " + e.ids[i]);
    }
  }
  if (charges.size() > 1) Fail("S2: mixed charge types");
}

bool World::AllFinal() const {
  return std::all_of(requests_.begin(), requests_.end(), [](const auto& entry) {
    const RequestObject& r = entry.second;
    return r.status.observed_generation == r.generation &&
           std::all_of(r.status.members.begin(), r.status.members.end(),
                       [](const MemberStatus& m) { return IsFinal(m.state); });
  });
}

/// L1, and the status tells the truth about the cloud.
void World::JudgeEnd() {
  for (const auto& [key, r] : requests_) {
    if (r.status.observed_generation != r.generation) return Fail("L1: no status of " + key.name);
    for (const MemberStatus& m : r.status.members) {
      const std::string id = m.id.ToString();
      const simulator::Instance* instance = cloud_.Find(id, now_);
      const bool gone = instance == nullptr || instance->gone;
      if (!IsFinal(m.state)) {
        const State& st = engine_->state();
        const auto t = st.targets.find(m.id);
        if (t != st.targets.end()) {
          const Target& x = t->second;
          Trace("target place " + std::to_string(int(x.place)) + " looking " +
                std::to_string(x.looking) + " batch " + std::to_string(x.batch) + " observed " +
                std::to_string(x.observed) + " present " + std::to_string(x.present) + " due " +
                std::to_string((x.due - now_).count()) + " owner " +
                (x.owner ? x.owner->key.name : "none") + " claims " +
                std::to_string(x.claims.size()) + " state " + x.sight.state + " " +
                std::to_string(x.sight.operating) + " seen " +
                std::to_string((x.seen_at - now_).count()) + " settle " +
                std::to_string((x.settle_until - now_).count()));
          for (const Claim& c : x.claims) {
            Trace("claim " + c.request->key.name + " state " +
                  ToString(c.request->members[c.member].state) + " " +
                  ToString(c.request->members[c.member].reason) + " permitted " +
                  c.request->not_permitted.reason + " accepted " + c.request->not_accepted.reason +
                  " hold " + c.request->hold + " deleting " + std::to_string(c.request->deleting));
          }
        }
        return Fail("L1: " + id + " of " + key.name + " stays " + ToString(m.state) + " " +
                    ToString(m.reason));
      }
      if (m.state == MemberState::kRetired && !gone) Fail("S8: " + id + " is not retired");
      if (m.state == MemberState::kRetired && instance == nullptr) Fail("S8: never was: " + id);
      if (m.state == MemberState::kRecycled && !gone && instance->state != "SHUTDOWN") {
        Fail("S8: " + id + " is not recycled");
      }
    }
  }
}

// --- users ---

void World::Populate() {
  const int total = std::max(2, shape_.requests * shape_.members * 3 / 4);
  for (int i = 0; i < total; ++i) {
    ids_.push_back(*InstanceId::Parse(IdText(i + 1)));
    simulator::Instance instance;
    instance.id = IdText(i + 1);
    instance.region = kLane.region;
    if (random_.Chance(0.5)) instance.charge = kPrepaid;
    instance.protected_from_termination = random_.Chance(0.05);
    instance.refuse_for_good = random_.Chance(0.05);
    if (random_.Chance(0.05)) instance.state = "LAUNCH_FAILED";
    if (!random_.Chance(0.05)) cloud_.Add(instance, Mono{});
  }
  AccountObject account;
  account.name = "default";
  account.uid = "account-uid";
  account.generation = 1;
  account.spec.mode = Mode::kExecute;
  account.spec.regions = {kLane.region};
  account.spec.all_namespaces = true;
  account.version = NextVersion();
  accounts_["default"] = account;
}

void World::ScheduleUsers() {
  for (int i = 0; i < shape_.requests; ++i) {
    const Millis when = Delay(60'000);
    At(
        when,
        [this, i] {
          RequestObject r;
          r.key = {"team", "r" + std::to_string(i)};
          r.uid = "uid-" + std::to_string(++order_);
          r.generation = 1;
          r.created = std::chrono::floor<seconds>(Present().wall);
          r.spec.region = kLane.region;
          r.spec.intent.prepaid =
              random_.Chance(0.3) ? PrepaidPolicy::kDestroy : PrepaidPolicy::kRecycle;
          if (random_.Chance(0.1)) r.spec.mode = Mode::kDryRun;
          if (random_.Chance(0.2)) r.spec.grace = Delay(60'000);
          if (random_.Chance(0.2)) r.spec.not_before = Present().wall + Delay(120'000);
          if (random_.Chance(0.1)) r.spec.expires_at = Present().wall + minutes{3} + Delay(120'000);
          std::set<InstanceId> chosen;
          for (int m = 0; m < shape_.members; ++m) chosen.insert(ids_[random_.Below(ids_.size())]);
          for (const InstanceId id : chosen) r.spec.members.push_back(MemberSpec(id));
          PutRequest(r);
        },
        false);
  }
  At(
      Delay(40'000), [this] { UserActs(); }, false);
}

/// Users change their minds at any moment.
void World::UserActs() {
  if (!faults_on_) {
    // What they left standing in the way goes, so that everything can become final.
    AccountObject account = accounts_.at("default");
    if (account.spec.paused || account.spec.mode == Mode::kDryRun) {
      account.spec.paused = false;
      account.spec.mode = Mode::kExecute;
      ++account.generation;
      PutAccount(account);
    }
    for (auto [key, r] : std::map(requests_)) {
      if (r.hold.empty() && !r.spec.suspend) continue;
      r.hold.clear();
      r.generation += r.spec.suspend;
      r.spec.suspend = false;
      PutRequest(r);
    }
    return;
  }
  At(
      Delay(60'000), [this] { UserActs(); }, false);
  if (requests_.empty()) return;
  auto it = requests_.begin();
  std::advance(it, int64_t(random_.Below(requests_.size())));
  RequestObject r = it->second;
  switch (random_.Below(8)) {
    case 0:
      return DropRequest(r.key);
    case 1:
      r.spec.suspend = !r.spec.suspend;
      ++r.generation;
      return PutRequest(r);
    case 2:
      r.hold = r.hold.empty() ? "x=somebody: looking" : "";
      return PutRequest(r);
    case 3:
      if (r.spec.members.size() > 1) r.spec.members.pop_back();
      ++r.generation;
      return PutRequest(r);
    case 4: {
      const RequestKey key = r.key;
      DropRequest(key);
      r.uid = "uid-" + std::to_string(++order_);
      r.generation = 1;
      r.created = std::chrono::floor<seconds>(Present().wall);
      r.status = {};
      return PutRequest(r);
    }
    case 5: {
      AccountObject account = accounts_.at("default");
      account.spec.paused = !account.spec.paused;
      ++account.generation;
      return PutAccount(account);
    }
    case 6:
      r.requested_at = std::to_string(order_);
      return PutRequest(r);
    default: {
      AccountObject account = accounts_.at("default");
      const bool dry = account.spec.mode == Mode::kDryRun;
      account.spec.mode = dry ? Mode::kExecute : Mode::kDryRun;
      ++account.generation;
      return PutAccount(account);
    }
  }
}

}  // namespace simulation
