// The cloud and the way to it: answers that lag, fail or get lost, calls that arrive minutes late,
// clocks of proxies that are minutes behind.
#include <algorithm>

#include "simulation/world.h"

namespace simulation {
namespace {

constexpr Millis kTimeOut{30'000};

using Outcome = Answered::Outcome;

Sight SightOf(const simulator::Instance& i) {
  Sight s;
  s.id = *InstanceId::Parse(i.id);
  s.charge = ChargeType(i.charge);
  s.state = i.state;
  s.operating = i.operation_state == "OPERATING";
  s.terminated_last = i.operation == "TerminateInstances";
  s.operation_failed = i.operation_state == "FAILED";
  s.operation_request = CloudRequestId(i.operation_request);
  if (s.terminated_last && s.operation_failed) s.operation_error = i.operation_error;
  s.protected_from_termination = i.protected_from_termination;
  s.name = i.name;
  s.private_ips = {i.private_ip};
  return s;
}

bool IsUnseen(retirement::Fault fault) {
  return fault == retirement::Fault::kThrottled || fault == retirement::Fault::kCredentials ||
         fault == retirement::Fault::kExpired;
}

Refusal Unreachable() {
  return {retirement::Fault::kUnreachable, Reason::kNone, "", "no connection", {}};
}

}  // namespace

ServiceTime World::TimeOfAnswer(const Process* p) {
  if (now_ >= date_behind_until_ && Fault("Date behind for a while", 0.006)) {
    date_behind_until_ = now_ + Delay(300'000);
    date_behind_ = Delay(400'000);
  }
  const Millis behind = now_ < date_behind_until_ ? date_behind_ : Millis{0};
  return {std::chrono::floor<seconds>(TrueTime() - behind), p ? ClockOf(*p) : now_};
}

void World::Do(Process& p, const Observe& a) {
  if (a.ids.empty() || a.ids.size() > 100) Fail("a look at none, or at more than 100 ids");
  const std::string key = p.credentials[a.lane.account];
  At(&p, Delay(300), [this, &p, a, key, sent = ClockOf(p), sent_at = now_] {
    Observed observed{a.lane, a.ids, sent, key, Look(p, a, key), {}, a.options.endpoint};
    const auto* refusal = std::get_if<Refusal>(&observed.answer);
    CountLook(p, a, refusal);
    const bool reached = refusal == nullptr || refusal->fault != retirement::Fault::kUnreachable;
    At(&p, Fault("late look", 0.03) ? Delay(15'000) : Delay(200),
       [this, &p, observed, reached, sent_at]() mutable {
         if (reached) observed.service_time = TimeOfAnswer(&p);
         for (const InstanceId id : observed.ids) {
           const bool answered = std::holds_alternative<std::vector<Sight>>(observed.answer);
           if (answered) looked_at_[id] = std::max(looked_at_[id], sent_at);
         }
         Feed(p, observed);
       });
  });
}

std::variant<std::vector<Sight>, Refusal> World::Look(Process& p, const Observe& a,
                                                      const std::string& key) {
  if (Fault("describe throttled", 0.05)) return RefusalOf("RequestLimitExceeded", {});
  if (Fault("describe fails", 0.05)) return Unreachable();
  if (const Trouble* t = TroubleOf(a.lane, a.ids, false)) {
    if (t->code.empty()) return Unreachable();
    return RefusalOf(t->code, t->id ? std::vector{*t->id} : std::vector<InstanceId>{});
  }
  simulator::DescribeRequest request{a.lane.region, {}, 0, 100};
  for (const InstanceId id : a.ids) request.ids.push_back(id.ToString());
  std::vector<Sight> sights;
  for (const auto& instance : cloud_.Describe(request, now_).instances) {
    Sight sight = SightOf(instance);
    if (Misses(a.lane, sight.id) || !IsOurs(key) || a.options.endpoint != kHome) continue;
    if (Fault("operation not told", 0.1)) {
      sight.operating = sight.operation_failed = sight.terminated_last = false;
      sight.operation_request = {};
      sight.operation_error.clear();
    }
    if (Fault("charge type not told", 0.02)) sight.charge = {};
    if (Fault("state not told", 0.02)) sight.state.clear();
    if (Fault("name not told", 0.02)) {
      sight.name.clear();
      sight.private_ips.clear();
    }
    sights.push_back(sight);
  }
  for (const InstanceId id : a.ids) {
    if (!Follows(id)) continue;
    Trace("  look as " + key + " in " + a.lane.account + "/" + a.lane.region + ":");
  }
  for (const Sight& s : sights) {
    if (Follows(s.id)) {
      Trace("    " + s.state + " " + std::string(s.charge.view()) +
            (s.operating ? ", operating" : "") + (s.operation_failed ? ", failed" : ""));
    }
    sights_[{a.lane, a.options.endpoint, key, s.id}] = {p.holder, now_};
    if (s.operation_failed) failed_operations_.insert(std::string(s.operation_request.view()));
  }
  return sights;
}

void World::Do(Process& p, const Call& a) {
  JudgeCall(p, a);
  Trace(p.holder + " calls " + BatchName(a.lane, a.sequence) + " with " +
        std::to_string(a.ids.size()) + (a.dry_run ? " as a dry run" : ""));
  efforts_[a.lane.account].last_called = now_;
  const StoredEntry* entry = EntryOf(a.lane, a.sequence);
  const uint64_t birth = entry == nullptr ? 0 : entry->birth;
  const std::string key = p.credentials[a.lane.account];
  At(&p, Fault("slow send", 0.05) ? Delay(70'000) : Delay(50), [this, &p, a, key, birth] {
    Answered not_sent{a.lane, a.sequence, Outcome::kNotSent, {}, {}, false, {}};
    if (key != a.credential) return Answer(&p, not_sent, Millis{0});
    if (ClockOf(p) > a.send_before) return Answer(&p, not_sent, Millis{0});
    JudgeSend(p, a);
    const Trouble* trouble = TroubleOf(a.lane, a.ids, true);
    if ((trouble && trouble->code.empty()) || Fault("no connection", 0.03)) {
      not_sent.refusal = Unreachable();
      if (Serves(p, a.lane.account)) Fared(a.lane.account, Activity::kCall, "no connection");
      return Answer(&p, not_sent, Delay(5'000));
    }
    CountCall(a);
    // What has left may arrive late, even after its sender has died.
    const Millis late = Fault("call delayed in the network", 0.05) ? Delay(120'000) : Delay(100);
    At(nullptr, late, [this, &p, a, key, birth, life = p.life, left = ClockOf(p)] {
      Deliver(life == p.life ? &p : nullptr, a, key, birth, left);
    });
    Answered unclear{a.lane, a.sequence, Outcome::kUnclear, {}, {}, false, {}};
    unclear.refusal.message = "no answer";
    Answer(&p, unclear, kTimeOut);
    At(nullptr, kTimeOut, [this, a] {
      const StoredEntry* sent = EntryOf(a.lane, a.sequence);
      const bool heard = sent != nullptr && sent->object.phase != BatchPhase::kIntent &&
                         sent->object.phase != BatchPhase::kAmbiguous;
      if (!heard) efforts_[a.lane.account].last_called = now_;
    });
  });
}

/// The service: refuses old signatures, throttles, refuses, executes; the answer may get lost.
void World::Deliver(Process* p, const Call& call, const std::string& key, uint64_t entry,
                    Mono left) {
  Answered answer{call.lane, call.sequence, Outcome::kRejected, {}, {}, false, {}};
  answer.service_time = TimeOfAnswer(p);
  answer.fence_was_fresh = left - call.committed_at <= seconds{1};
  answer.request_id = "request-" + std::to_string(++order_);
  // Who serves the account by now hears of its own calls only.
  const bool serves = p != nullptr && Serves(*p, call.lane.account);
  const auto refuse = [&](const std::string& code, const std::vector<InstanceId>& offenders) {
    answer.refusal = RefusalOf(code, offenders);
    const retirement::Fault fault = answer.refusal.fault;
    if (IsUnseen(fault)) answer.outcome = Outcome::kRefusedUnseen;
    for (const InstanceId id : call.ids) {
      if (!IsUnseen(fault)) judged_at_[id] = now_;
    }
    Effort& effort = efforts_[call.lane.account];
    effort.last_refused = now_;
    effort.refused_with.insert(code);
    if (fault == retirement::Fault::kLane) effort.refused_in.insert(call.lane.region);
    Trace("refused " + BatchName(call.lane, call.sequence) + " " + code);
    const bool server = fault == retirement::Fault::kServer;
    if (server && Fault("fails, yet executes", 0.7)) {
      Fared(call.lane.account, Activity::kCall, "");  // as its effect shows
      return Execute(p, call, key, entry, answer);
    }
    Answer(p, answer, Delay(100));
  };
  if (TrueTime() - call.signed_at > kSignatureAge) {
    ++report_.faults["signature refused as expired"];
    // What comes too late is refused when nobody waits for the answer any more.
    const bool heard = now_ - created_[entry] < kTimeOut;
    if (heard && serves) Fared(call.lane.account, Activity::kCall, "AuthFailure.SignatureExpire");
    return refuse("AuthFailure.SignatureExpire", {});
  }
  if (const Trouble* t = TroubleOf(call.lane, call.ids, true)) {
    const auto fault = RefusalOf(t->code, {}).fault;
    if (!t->id && IsOfAccount(fault) && serves) {
      Fared(call.lane.account, Activity::kCall, t->code);
    }
    // Whoever judges instances is there, and accepts the credentials.
    if (!IsOfAccount(fault)) efforts_[call.lane.account].fortunes[Activity::kCall].failures = 0;
    if (t->id) CountRefused({*t->id});
    const bool ends = fault == retirement::Fault::kFinal || fault == retirement::Fault::kSplit;
    if (ends) Condemn(t->id ? std::vector{*t->id} : call.ids);
    return refuse(t->code, t->id ? std::vector{*t->id} : std::vector<InstanceId>{});
  }
  if (Fault("call throttled", 0.1)) return refuse("RequestLimitExceeded", {});
  if (Fault("credentials refused", 0.07)) return refuse("AuthFailure.SecretIdNotFound", {});
  if (Fault("account refused", 0.06)) return refuse("InvalidAccount.UnpaidOrder", {});
  if (Fault("service fails", 0.08)) return refuse("InternalServerError", {});
  answer.outcome = Outcome::kAccepted;
  Execute(p, call, key, entry, answer);
}

/// What ends for good is known of one only when it was called alone.
void World::Condemn(const std::vector<InstanceId>& ids) {
  if (ids.size() == 1) refused_.insert(ids.front());
}

/// All of it, or, if the answer is a failure, perhaps a part.
void World::Execute(Process* p, const Call& call, const std::string& key, uint64_t entry,
                    Answered answer) {
  std::vector<InstanceId> ids = call.ids;
  const bool fails = answer.outcome == Outcome::kRejected;
  if (fails && random_.Chance(0.6)) ids.resize(1 + random_.Below(ids.size()));
  for (const InstanceId id : call.ids) judged_at_[id] = now_;
  simulator::TerminateRequest request{call.lane.region, {}, answer.request_id};
  for (const InstanceId id : ids) request.ids.push_back(id.ToString());
  simulator::Reply reply{"InvalidInstanceId.NotFound", "not found"};
  const bool sees = IsOurs(key) && call.options.endpoint == kHome;
  if (sees && call.dry_run && dry_run_attitude_ == 0) {
    reply = cloud_.Check(request, now_);
    if (reply.ok()) {
      reply = {"DryRunOperation", "The request would have succeeded."};
      if (!fails) {
        efforts_[call.lane.account].last_accepted = now_;
        efforts_[call.lane.account].refused_in.erase(call.lane.region);
      }
    }
  } else if (sees && call.dry_run && dry_run_attitude_ == 2) {
    reply = {"UnknownParameter", "The parameter DryRun is not known."};
  } else if (sees) {
    JudgeArrival(call, entry);
    PrepareExecution(ids);
    reply = cloud_.Terminate(request, now_);
    JudgeExecution(cloud_.executions().back());
    if (reply.ok() && ++executed_[entry] > 1) Fail("S3: entry executed twice");
    if (reply.ok() && call.dry_run) JudgeDryRun(call.lane.account, ids);
  }
  Trace("executed " + std::to_string(ids.size()) + " of " + BatchName(call.lane, call.sequence) +
        " " + (reply.ok() ? "ok" : reply.code));
  // What nobody has heard of is told as an outage: calls have to work anew.
  auto& calls = efforts_[call.lane.account].fortunes[Activity::kCall];
  if (Fault("answer lost", 0.1)) {
    calls.success_since = Mono{};
    if (reply.ok()) calls.failures = 0;  // as its effect shows
    return;
  }
  if (!fails && !reply.ok()) {
    answer.outcome = Outcome::kRejected;
    answer.refusal = RefusalOf(reply.code, {});
    answer.refusal.message = reply.message;
    for (size_t at = 0; (at = reply.message.find("ins-", at)) != std::string::npos; at += 4) {
      if (const auto id = InstanceId::Parse(reply.message.substr(at, 12))) {
        answer.refusal.hinted.push_back(*id);
      }
    }
    if (answer.refusal.fault == retirement::Fault::kFinal) {
      Condemn(call.ids);
    }
  }
  if (answer.outcome == Outcome::kAccepted) {
    efforts_[call.lane.account].last_accepted = now_;
    efforts_[call.lane.account].refused_with.clear();
    efforts_[call.lane.account].refused_in.erase(call.lane.region);
  }
  const Millis after = Fault("late answer", 0.08) ? Delay(60'000) : Delay(300);
  const bool heard = now_ + after - created_[entry] < kTimeOut;
  if (!fails && heard) Fared(call.lane.account, Activity::kCall, "");
  if (!heard) calls.success_since = Mono{};
  if (reply.ok()) calls.failures = 0;
  Answer(p, answer, after);
}

/// The first answer counts: the engine ignores one for an entry that is not being called.
void World::Answer(Process* p, Answered answer, Millis after) {
  if (p == nullptr) return;
  At(p, after, [this, p, answer] {
    Answered told = answer;
    if (told.service_time) told.service_time->received = ClockOf(*p);
    Feed(*p, told);
  });
}

}  // namespace simulation
