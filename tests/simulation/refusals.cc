// Troubles: what the service refuses for a while, with any code of the table, for one instance, a
// region, an account or all; lanes that look empty and instances that are missing.
#include <algorithm>

#include "cvm/errors.h"
#include "retirement/durations.h"
#include "simulation/world.h"
#include "translate/cloud.h"

namespace simulation {
namespace {

// Less than the gap between two absences that prove a called instance gone.
constexpr Millis kMiss{2'000};
constexpr Millis kBetweenMisses{120'000};
constexpr Millis kLongMiss{210'000};

bool IsOfLooks(cvm::ErrorClass c) {
  using C = cvm::ErrorClass;
  return c == C::kThrottled || c == C::kCredentials || c == C::kExpired || c == C::kAccount ||
         c == C::kUnauthorized || c == C::kServer || c == C::kSplit;
}

/// What is wrong with the whole account cannot be the matter of one instance.
bool IsOfOne(cvm::ErrorClass c) {
  using C = cvm::ErrorClass;
  return c != C::kThrottled && c != C::kCredentials && c != C::kExpired && c != C::kAccount;
}

}  // namespace

bool IsOfAccount(retirement::Fault fault) {
  using F = retirement::Fault;
  return fault == F::kThrottled || fault == F::kCredentials || fault == F::kExpired ||
         fault == F::kAccount || fault == F::kServer || fault == F::kUnreachable;
}

void World::ScheduleTrouble() {
  if (shape_.stubborn && Fault("refused for hours", 1)) {
    At(nullptr, Delay(90'000), [this] { BeginTrouble(quiet_); });
  }
  At(nullptr, Delay(600'000), [this] {
    if (Fault("refused for a while", 0.7)) BeginTrouble(now_ + Delay(600'000));
  });
  At(nullptr, Delay(600'000), [this] {
    if (Fault("a lane looks empty", 0.15)) {
      const Lane lane{AnAccount(), ARegion()};
      empty_since_[lane] = now_;
      empty_until_[lane] = now_ + seconds{10} +
                           (shape_.big && random_.Chance(0.5) ? Delay(1'490'000) : Delay(60'000));
      Trace("lane " + lane.account + "/" + lane.region + " looks empty");
    }
  });
  At(nullptr, Delay(600'000), [this] {
    if (!Fault("entries refused for a while", 0.2)) return;
    const std::string account = AnAccount();
    efforts_[account].refusing_until =
        std::min(quiet_, now_ + (shape_.stubborn ? minutes{120} : Delay(300'000)));
    Trace("the kube-apiserver refuses entries of " + account);
  });
}

void World::BeginTrouble(Mono until) {
  Trouble t;
  t.until = std::min(until, quiet_);
  t.looks = random_.Chance(0.4);
  t.calls = !t.looks || random_.Chance(0.5);
  const auto table = cvm::ErrorTable();
  if (!Fault("unreachable for a while", 0.2)) {
    cvm::ErrorRule rule;
    do {
      rule = table[random_.Below(table.size())];
    } while (rule.error_class == cvm::ErrorClass::kDryRunOk ||
             (t.looks && !IsOfLooks(rule.error_class)));
    t.code = rule.code;
    if (IsOfOne(rule.error_class) && Fault("one instance refused for a while", 0.6)) {
      t.id = OneOf(ids_);
    }
  }
  if (random_.Chance(0.7)) t.account = AnAccount();
  if (random_.Chance(0.4)) t.region = ARegion();
  Trace("trouble: " + t.code + " for account '" + t.account + "' region '" + t.region + "' " +
        (t.id ? t.id->ToString() : "") + (t.looks ? " looks" : "") + (t.calls ? " calls" : ""));
  troubles_.push_back(t);
}

const Trouble* World::TroubleOf(const Lane& lane, const std::vector<InstanceId>& ids,
                                bool call) const {
  for (const Trouble& t : troubles_) {
    if (now_ >= t.until || !(call ? t.calls : t.looks)) continue;
    if (!t.account.empty() && t.account != lane.account) continue;
    if (!t.region.empty() && t.region != lane.region) continue;
    if (t.id && std::find(ids.begin(), ids.end(), *t.id) == ids.end()) continue;
    return &t;
  }
  return nullptr;
}

/// As translate makes it of an answer; the ids in the message may be right, masked, missing or
/// wrong.
Refusal World::RefusalOf(const std::string& code, const std::vector<InstanceId>& offenders) {
  const cvm::ErrorRule rule = cvm::Classify(code);
  Refusal r{translate::FaultOf(rule.error_class),
            ParseReason(rule.reason).value_or(Reason::kNone),
            code,
            "it is refused",
            {}};
  for (const InstanceId id : offenders) {
    const uint64_t how = random_.Below(4);
    if (how == 0) r.message += " `['" + id.ToString() + "']`";
    if (how == 1) r.message += " `['******']`";
    if (how == 2 && Fault("a wrong id is quoted", 1)) {
      r.message += " `['" + OneOf(ids_).ToString() + "']`";
    }
  }
  for (const std::string& text : cvm::QuotedIds(r.message)) {
    if (const auto id = InstanceId::Parse(text)) r.hinted.push_back(*id);
  }
  return r;
}

/// Whether nobody could tell that it is the answers that are wrong: what is in an open entry may
/// have gone by its call, and of the rest too few were asked for since: looks may be refused, or
/// ask for one at a time.
bool World::IsTooFewToDoubt(const Lane& lane) const {
  for (const auto& [key, entry] : batches_) {
    if (key.first == lane && !IsClosed(entry.object.phase)) return true;
  }
  std::set<InstanceId> awaited;
  for (const auto& [key, r] : requests_) {
    if (Lane{r.spec.account, r.spec.region} != lane || !IsLetIn(r)) continue;
    for (const MemberStatus& m : r.status.members) {
      const auto left = left_out_.find({lane, m.id});
      const bool asked = left != left_out_.end() && left->second >= now_ - kLongestAbsenceGap;
      if (!IsFinal(m.state) && asked) awaited.insert(m.id);
    }
  }
  return awaited.size() <= 2 * kSuspiciousCount;
}

/// Longer than absence takes to be believed only what can be doubted looks empty.
bool World::LooksEmpty(const Lane& lane) {
  const auto empty = empty_until_.find(lane);
  if (empty == empty_until_.end() || now_ >= empty->second) return false;
  if (now_ < empty_since_[lane] + kLongMiss || !IsTooFewToDoubt(lane)) return true;
  empty_until_.erase(empty);
  return false;
}

/// A called instance is missed for a moment only: its absence is what is waited for.
bool World::Misses(const Lane& lane, InstanceId id) {
  const bool steady = now_ >= missed_until_[id] + kBetweenMisses;
  if (steady && Fault("describe misses an instance", 0.02)) missed_until_[id] = now_ + kMiss;
  if (steady && !touched_.contains(id) && Fault("an instance is missing for long", 0.02)) {
    missed_until_[id] = now_ + Delay(kLongMiss.count());
  }
  const bool empty = LooksEmpty(lane);
  if (empty) left_out_[{lane, id}] = now_;
  bool missed = empty || now_ < missed_until_[id];
  const Mono since = missed ? missed_since_.try_emplace(id, now_).first->second : now_;
  // One cause after the other does not last longer than absence takes to be believed, either.
  if (now_ >= since + kLongMiss && IsTooFewToDoubt(lane)) missed = false;
  if (!missed) missed_since_.erase(id);
  if (missed && touched_.contains(id)) missed_.insert(id);
  return missed;
}

}  // namespace simulation
