#include "retirement/faults.h"

#include <algorithm>

#include "retirement/durations.h"

namespace retirement {
namespace {

using enum About;
using enum MendedBy;
constexpr Millis kQuarterDay = hours{6};

// clang-format off
//                             about      seen   worked mended by waits                   first          longest       growth
constexpr FaultRule kThrottled    {kCall,     false, false, kTime,   Reason::kThrottled,     seconds{1},    minutes{5},    2};
constexpr FaultRule kCredentials  {kAccount,  false, false, kPerson, Reason::kRefused,       seconds{5},    kLongestProbe, 2};
constexpr FaultRule kExpired      {kAccount,  false, false, kTime,   Reason::kServiceError,  seconds{5},    kLongestProbe, 2};
constexpr FaultRule kWholeAccount {kAccount,  true,  false, kPerson, Reason::kRefused,       seconds{5},    kLongestProbe, 2};
constexpr FaultRule kWholeLane    {kLane,     true,  false, kPerson, Reason::kRefused,       seconds{5},    kLongestProbe, 2};
constexpr FaultRule kUnauthorized {kBatch,    true,  false, kPerson, Reason::kUnauthorized,  kFirstRefused, kQuarterDay,   2};
constexpr FaultRule kServer       {kBatch,    true,  true,  kTime,   Reason::kServiceError,  seconds{10},   kQuarterDay,   4};
constexpr FaultRule kBusy         {kInstance, true,  false, kTime,   Reason::kInstanceBusy,  seconds{10},   kQuarterDay,   4};
constexpr FaultRule kObserve      {kInstance, true,  false, kTime,   Reason::kRefused,       seconds{10},   kQuarterDay,   4};
constexpr FaultRule kBlocked      {kInstance, true,  false, kPerson, Reason::kRefused,       kFirstRefused, kQuarterDay,   2};
constexpr FaultRule kFinal        {kInstance, true,  false, kNobody, Reason::kRefused,       kFirstRefused, kQuarterDay,   2};
constexpr FaultRule kSplit        {kBatch,    true,  false, kNobody, Reason::kRefused,       kFirstRefused, kQuarterDay,   2};
constexpr FaultRule kDryRunOk     {kInstance, true,  false, kNobody, Reason::kRefused,       kFirstRefused, kQuarterDay,   2};
constexpr FaultRule kUnreachable  {kCall,     false, false, kTime,   Reason::kServiceError,  seconds{1},    minutes{5},    2};
// clang-format on

}  // namespace

const FaultRule& RuleOf(Fault fault) {
  switch (fault) {
    case Fault::kThrottled:
      return kThrottled;
    case Fault::kCredentials:
      return kCredentials;
    case Fault::kExpired:
      return kExpired;
    case Fault::kAccount:
      return kWholeAccount;
    case Fault::kLane:
      return kWholeLane;
    case Fault::kUnauthorized:
      return kUnauthorized;
    case Fault::kServer:
      return kServer;
    case Fault::kBusy:
      return kBusy;
    case Fault::kObserve:
      return kObserve;
    case Fault::kBlocked:
      return kBlocked;
    case Fault::kFinal:
      return kFinal;
    case Fault::kSplit:
      return kSplit;
    case Fault::kDryRunOk:
      return kDryRunOk;
    case Fault::kUnreachable:
      return kUnreachable;
  }
  __builtin_unreachable();
}

Millis BackOff(const FaultRule& rule, int times) {
  Millis wait = rule.first;
  for (int i = 1; i < times && wait < rule.longest; ++i) wait *= rule.growth;
  return std::min(wait, rule.longest);
}

}  // namespace retirement
