// The cloud and the way to it: answers that lag, fail or get lost, calls that arrive minutes late,
// throttling, refusals of the whole account, credentials of another account that see nothing.
#include <algorithm>

#include "simulation/world.h"

namespace simulation {
namespace {

constexpr Millis kTimeOut{30'000};
constexpr const char* kOurKey = "key-1";
// Less than the gap between two absences that prove an instance gone.
constexpr Millis kMiss{2'000};
constexpr Millis kBetweenMisses{120'000};

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

bool Has(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

/// The part of cvm/errors that the model can answer with.
Refusal RefusalOf(const simulator::Reply& reply) {
  Refusal r{Fault::kFinal, Reason::kNotReturnable, reply.code, reply.message, {}};
  if (Has(reply.code, "NotFound") || Has(reply.code, "Terminat")) {
    r.fault = Fault::kObserve;
  } else if (Has(reply.code, "Protected")) {
    r.fault = Fault::kBlocked;
    r.reason = Reason::kInstanceProtected;
  } else if (Has(reply.code, "InProgress") || Has(reply.code, "State")) {
    r.fault = Fault::kBusy;
    r.reason = Reason::kInstanceBusy;
  } else if (Has(reply.code, "Mixed")) {
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

void World::Do(Process& p, const Observe& a) {
  const Mono sent = now_;
  const std::string key = p.credentials[a.lane.account];
  const auto reply = [this, &p, a, sent, key](std::variant<std::vector<Sight>, Refusal> answer) {
    Observed observed{a.lane, a.ids, sent, key, std::move(answer), {}};
    observed.service_time = ServiceTime{std::chrono::floor<seconds>(TrueTime()), now_};
    observed.endpoint = a.options.endpoint;
    At(&p, Fault("late look", 0.03) ? Delay(15'000) : Delay(200), [this, &p, observed] {
      for (const InstanceId id : observed.ids) {
        const bool answered = std::holds_alternative<std::vector<Sight>>(observed.answer);
        if (answered) looked_at_[id] = std::max(looked_at_[id], observed.sent);
      }
      Feed(p, observed);
    });
  };
  At(&p, Delay(300), [this, a, reply, key] {
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
      const Sight sight = SightOf(instance);
      const bool steady = now_ >= missed_until_[sight.id] + kBetweenMisses;
      if (steady && Fault("describe misses an instance", 0.02)) {
        missed_until_[sight.id] = now_ + kMiss;
      }
      if (key == kOurKey && now_ >= missed_until_[sight.id]) sights.push_back(sight);
    }
    for (const InstanceId id : a.ids) {
      if (!Follows(id)) continue;
      Trace("  look as " + key + " in " + a.lane.account + "/" + a.lane.region + ":");
    }
    for (const Sight& sight : sights) {
      if (Follows(sight.id)) Trace("    " + sight.state + (sight.operating ? ", operating" : ""));
      sights_.insert({a.lane, key, sight.id});
    }
    reply(sights);
  });
}

void World::Do(Process& p, const Call& a) {
  JudgeCall(a);
  Trace(p.holder + " calls " + BatchName(a.lane, a.sequence) + " with " +
        std::to_string(a.ids.size()));
  const Entry* entry = EntryOf(a.lane, a.sequence);
  const uint64_t birth = entry == nullptr ? 0 : entry->birth;
  const std::string key = p.credentials[a.lane.account];
  At(&p, Fault("slow send", 0.05) ? Delay(70'000) : Delay(50), [this, &p, a, key, birth] {
    Answered not_sent{a.lane, a.sequence, Answered::Outcome::kNotSent, {}, {}, false, {}};
    if (key != a.credential) return Answer(&p, not_sent, Millis{0});
    if (now_ > a.send_before) return Answer(&p, not_sent, Millis{0});
    JudgeSend(p, a);
    if (Fault("no connection", 0.03)) return Answer(&p, not_sent, Delay(5'000));
    // What has left may arrive late, even after its sender has died.
    const Millis late = Fault("call delayed in the network", 0.05) ? Delay(120'000) : Delay(100);
    At(nullptr, late, [this, &p, a, key, birth, life = p.life] {
      Deliver(life == p.life ? &p : nullptr, a, key, birth);
    });
    Answered unclear{a.lane, a.sequence, Answered::Outcome::kUnclear, {}, {}, false, {}};
    Answer(&p, unclear, kTimeOut);
  });
}

/// The service: refuses old signatures, throttles, executes; the answer may get lost.
void World::Deliver(Process* p, const Call& call, const std::string& key, uint64_t entry) {
  Answered answer{call.lane, call.sequence, Answered::Outcome::kRefusedUnseen, {}, {}, false, {}};
  answer.service_time = ServiceTime{std::chrono::floor<seconds>(TrueTime()), now_};
  const auto refuse = [&](Answered::Outcome outcome, retirement::Fault fault, const char* code) {
    answer.outcome = outcome;
    answer.refusal = {fault, Reason::kNone, code, "", {}};
    Answer(p, answer, Delay(100));
  };
  using Outcome = Answered::Outcome;
  if (TrueTime() - call.signed_at > kSignatureAge) {
    ++report_.faults["signature refused as expired"];
    return refuse(Outcome::kRefusedUnseen, retirement::Fault::kExpired,
                  "AuthFailure.SignatureExpire");
  }
  if (Fault("call throttled", 0.1)) {
    return refuse(Outcome::kRefusedUnseen, retirement::Fault::kThrottled, "RequestLimitExceeded");
  }
  if (Fault("credentials refused", 0.02)) {
    return refuse(Outcome::kRefusedUnseen, retirement::Fault::kCredentials,
                  "AuthFailure.SecretIdNotFound");
  }
  for (const InstanceId id : call.ids) judged_at_[id] = now_;
  if (Fault("account refused", 0.04)) {
    return refuse(Outcome::kRejected, retirement::Fault::kAccount, "InvalidAccount.UnpaidOrder");
  }
  if (Fault("service fails", 0.05)) {
    return refuse(Outcome::kRejected, retirement::Fault::kServer, "InternalServerError");
  }
  simulator::TerminateRequest request{call.lane.region, {}, "request-" + std::to_string(order_)};
  for (const InstanceId id : call.ids) request.ids.push_back(id.ToString());
  JudgeArrival(call, entry);
  simulator::Reply reply{"InvalidInstanceId.NotFound", "not found"};
  if (key == kOurKey) {
    reply = cloud_.Terminate(request, now_);
    JudgeExecution(cloud_.executions().back());
  }
  if (reply.ok() && ++executed_[entry] > 1) Fail("S3: entry executed twice");
  Trace("executed " + BatchName(call.lane, call.sequence) + " " + (reply.ok() ? "ok" : reply.code));
  if (Fault("answer lost", 0.1)) return;
  answer.request_id = request.request_id;
  answer.outcome = reply.ok() ? Outcome::kAccepted : Outcome::kRejected;
  if (!reply.ok()) answer.refusal = RefusalOf(reply);
  Answer(p, answer, Fault("late answer", 0.05) ? Delay(60'000) : Delay(300));
}

/// The first answer counts: the engine ignores one for an entry that is not being called.
void World::Answer(Process* p, Answered answer, Millis after) {
  if (p == nullptr) return;
  At(p, after, [this, p, answer] { Feed(*p, answer); });
}

}  // namespace simulation
