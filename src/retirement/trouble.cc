#include "retirement/trouble.h"

#include <algorithm>

#include "retirement/accounts.h"
#include "retirement/registry.h"

namespace retirement {
namespace {

/// Longer than the longest wait between two tries: whoever is silent for longer tries no more.
Millis Forgotten(Work work, const Trouble& t) {
  if (!t.of_account) return minutes{10};
  if (work == Work::kLook) return minutes{15};  // what is blocked is looked at every five minutes
  return work == Work::kSight ? minutes{5} : minutes{11};  // commits in vain are five minutes apart
}

Mono EndsAt(Work work, const Trouble& t) {
  const Mono forgotten = t.last + Forgotten(work, t);
  return t.well_since == Mono{} ? forgotten : std::min(forgotten, t.well_since + kTroubleOver);
}

const char* WhatFails(Work work) {
  switch (work) {
    case Work::kLook:
      return "DescribeInstances fails";
    case Work::kSight:
      return "DescribeInstances answers strangely";
    case Work::kConfirm:
      return "requests and accounts cannot be read live, so nothing is called";
    case Work::kCommit:
      return "RetirementBatches cannot be written, so nothing is called";
    case Work::kRecord:
      return "what became of calls cannot be recorded";
    case Work::kCall:
      return "TerminateInstances fails";
    case Work::kInstance:
      return "TerminateInstances refuses instances";
  }
  __builtin_unreachable();
}

/// Nothing is there to probe it with: whether it is still refused the next call will tell.
bool HealIdle(Breaker& breaker, Now now) {
  if (!breaker.open() || breaker.Next() == base::kNever) return false;
  if (now.mono < breaker.Next() + kBreakerIdle) return false;
  breaker.Heal();
  return true;
}

/// When it is told, or told anew because the cause has changed: not too often (E2).
Mono TellAt(const Trouble& t) {
  if (!t.told) return t.failures < t.suffices ? base::kNever : t.since + kTroubleTold;
  const bool changed = t.told_reason != t.reason || t.told_message != t.message;
  return changed ? t.told_at + kTroubleToldAnew * (1 << std::min(t.retold, 4)) : base::kNever;
}

void Tell(State& state, Account& a, Now now) {
  TouchAccount(a, now);
  RefreshAccount(state, a.object.name, now);
}

}  // namespace

void OnFailure(Account& a, Work work, const std::string& region, Failure failure, Now now) {
  const auto earlier = a.troubles.extract({work, kAnyRegion});
  const auto [it, is_new] = a.troubles.try_emplace({work, region});
  Trouble& t = it->second;
  if (is_new) {
    t.since = now.mono;
    t.since_wall = earlier ? earlier.mapped().since_wall : now.wall;
    t.told = bool(earlier);
    if (earlier) {
      t.told_at = now.mono;
      t.told_reason = earlier.mapped().told_reason;
      t.told_message = earlier.mapped().told_message;
    }
  }
  t.last = now.mono;
  t.sent = std::max(t.sent, failure.sent);
  t.suffices = failure.suffices;
  t.well_since = Mono{};
  ++t.failures;
  const std::string message = std::string(WhatFails(work)) + " in " + region + " since " +
                              base::FormatRfc3339(t.since_wall) + ": " + failure.message;
  t.reason = std::move(failure.reason);
  t.message = message;
  t.of_account = work != Work::kInstance;
}

void OnSuccess(Account& a, Work work, const std::string& region, Now now) {
  for (const std::string& where : {region, std::string(kAnyRegion)}) {
    const auto found = a.troubles.find({work, where});
    if (found == a.troubles.end()) continue;
    if (!found->second.told) {
      a.troubles.erase(found);
    } else if (found->second.well_since == Mono{}) {
      // Looks come and go; a call, or an entry, that was taken settles it.
      found->second.well_since = work == Work::kLook ? now.mono : now.mono - kTroubleOver;
    }
  }
}

void OnCredentialsAccepted(Account& a, Now now) {
  std::vector<std::string> regions;
  for (const auto& [key, t] : a.troubles) {
    const bool theirs = t.reason == ReadyReasonOf(Fault::kCredentials);
    if (key.first == Work::kLook && theirs) regions.push_back(key.second);
  }
  for (const std::string& region : regions) OnSuccess(a, Work::kLook, region, now);
}

void OnShown(Account& a, const std::string& region, Mono committed, Now now) {
  const auto found = a.troubles.find({Work::kCommit, region});
  const bool later = found != a.troubles.end() && found->second.sent > committed;
  if (!later) OnSuccess(a, Work::kCommit, region, now);
}

void OnEffect(Account& a, const std::string& region, Mono sent, Now now) {
  for (const Work work : {Work::kCall, Work::kInstance}) {
    const auto found = a.troubles.find({work, region});
    if (found != a.troubles.end() && found->second.sent <= sent) OnSuccess(a, work, region, now);
  }
}

void OnInstancesRefused(Account& a, const std::string& region, Mono sent, Now now) {
  const auto found = a.troubles.find({Work::kCall, region});
  if (found == a.troubles.end() || found->second.sent > sent) return;
  if (!found->second.told) {
    a.troubles.erase(found);
  } else if (found->second.well_since == Mono{}) {
    found->second.well_since = now.mono;
  }
}

void DriveTrouble(State& state, Account& a, Now now) {
  bool news = HealIdle(a.calls_breaker, now);
  if (HealIdle(a.credentials_breaker, now)) {
    a.credentials_valid = ConditionStatus::kUnknown;
    UpdateReady(state, a, now);
    news = true;
  }
  for (const auto& [region, lane] : a.lanes) news = HealIdle(lane->breaker, now) || news;
  for (auto it = a.troubles.begin(); it != a.troubles.end();) {
    Trouble& t = it->second;
    if (now.mono >= EndsAt(it->first.first, t)) {
      news = news || t.told;
      it = a.troubles.erase(it);
      continue;
    }
    if (TellAt(t) <= now.mono) {
      t.retold += t.told;
      t.told = news = true;
      t.told_at = now.mono;
      t.told_reason = t.reason;
      t.told_message = t.message;
    }
    ++it;
  }
  if (news) Tell(state, a, now);
}

Mono NextTrouble(const Account& a) {
  const auto idle = [](const Breaker& breaker) {
    return breaker.Next() == base::kNever ? base::kNever : breaker.Next() + kBreakerIdle;
  };
  Mono next = std::min(idle(a.calls_breaker), idle(a.credentials_breaker));
  for (const auto& [region, lane] : a.lanes) next = std::min(next, idle(lane->breaker));
  for (const auto& [key, t] : a.troubles) {
    next = std::min(next, std::min(TellAt(t), EndsAt(key.first, t)));
  }
  return next;
}

const Trouble* ToldTrouble(const Account& a, const std::string& region) {
  const Trouble* told = nullptr;
  for (const auto& [key, t] : a.troubles) {
    const bool here = region.empty() || key.second == region || key.second == kAnyRegion;
    if (!t.told || !here) continue;
    if (told == nullptr || (!told->of_account && t.of_account)) told = &t;
  }
  return told;
}

std::string Words(const Refusal& refusal) {
  if (refusal.code.empty()) return refusal.message.empty() ? "no answer" : refusal.message;
  return refusal.message.empty() ? refusal.code : refusal.code + ": " + refusal.message;
}

std::string ReadyReasonOf(Fault fault) {
  switch (fault) {
    case Fault::kUnreachable:
      return "ServiceUnreachable";
    case Fault::kExpired:
      return "ClockSuspect";
    case Fault::kCredentials:
      return "CredentialsRejected";
    case Fault::kUnauthorized:
      return "PermissionDenied";
    case Fault::kThrottled:
    case Fault::kAccount:
    case Fault::kLane:
    case Fault::kServer:
    case Fault::kBusy:
    case Fault::kObserve:
    case Fault::kBlocked:
    case Fault::kFinal:
    case Fault::kSplit:
    case Fault::kDryRunOk:
      return "ServiceError";
  }
  __builtin_unreachable();
}

std::string CallReasonOf(Fault fault) {
  if (fault == Fault::kCredentials || fault == Fault::kExpired) return ReadyReasonOf(fault);
  return "BreakerOpen";
}

}  // namespace retirement
