#include "retirement/engine.h"

#include <algorithm>

#include "retirement/accounts.h"
#include "retirement/batches.h"
#include "retirement/commits.h"
#include "retirement/outbox.h"
#include "retirement/registry.h"
#include "retirement/sights.h"
#include "retirement/targets.h"

namespace retirement {
namespace {

void Route(State& s, const Event& event, Now now) {
  std::visit(base::Overloaded{
                 [&](const AccountSeen& e) {
                   OnAccountSeen(s, e, now);
                   s.view.OnApplied({Kind::kAccount, ""}, e.object.version);
                 },
                 [&](const AccountGone& e) { OnAccountGone(s, e.name, now); },
                 [&](const RequestSeen& e) {
                   OnRequestSeen(s, e, now);
                   s.view.OnApplied(s.view.StreamOf(Kind::kRequest, e.object.key.ns),
                                    e.object.version);
                 },
                 [&](const RequestGone& e) { OnRequestGone(s, e.key, now); },
                 [&](const BatchSeen& e) {
                   OnBatchSeen(s, e, now);
                   if (!e.live) s.view.OnApplied({Kind::kBatch, ""}, e.object.version);
                 },
                 [&](const BatchGone& e) { OnBatchGone(s, e, now); },
                 [&](const ResetBegin& e) { OnResetBegin(s, e); },
                 [&](const ResetEnd& e) { OnResetEnd(s, e, now); },
                 [&](const Bookmark& e) { s.view.OnApplied(e.stream, e.version); },
                 [&](const Observed& e) { OnObserved(s, e, now); },
                 [&](const Confirmed& e) { OnConfirmed(s, e, now); },
                 [&](const Committed& e) { OnCommitted(s, e, now); },
                 [&](const Answered& e) { OnAnswered(s, e, now); },
                 [&](const Recorded& e) { OnRecorded(s, e, now); },
                 [&](const StatusWritten& e) {
                   e.kind == Kind::kAccount ? OnAccountStatusWritten(s, e, now)
                                            : OnStatusWritten(s, e, now);
                 },
                 [&](const CredentialsChanged& e) { OnCredentialsChanged(s, e, now); },
                 [&](const LeaseSeen& e) { OnLeaseSeen(s, e, now); },
                 [&](const Lead& e) { s.lead_until = e.until; },
                 [&](const Stop&) { s.stopping = true; },
                 [&](const Tick&) {},
             },
             event);
}

Mono NextWake(const State& s, Now now) {
  if (!s.refreshes.empty() || !s.again.empty()) return now.mono;
  if (!s.Leading(now) || !s.Synced()) return base::kNever;
  Mono next = std::min(NextWallWake(s, now), NextWrite(s));
  next = std::min(next, std::min(NextAccountWrite(s), NextBatchWake(s, now)));
  next = std::min(next, std::min(NextAccountWake(s, now), NextSuspect(s)));
  return s.stopping ? next : std::min(next, NextLook(s, now));
}

}  // namespace

Engine::Engine(Config config) : state_(std::move(config)) {}

StepResult Engine::Step(const Event& event, Now now) {
  Route(state_, event, now);
  OnWallTime(state_, now);
  DriveRefreshes(state_, now);
  ReassessCrowds(state_, now);
  SendLooks(state_, now);
  DriveAccounts(state_, now);
  DriveRefreshes(state_, now);  // what the accounts have to tell
  ReassessCrowds(state_, now);
  DriveSuspects(state_, now);
  DriveBatches(state_, now);
  Flush(state_, now);
  FlushAccounts(state_, now);
  return {std::exchange(state_.actions, {}), NextWake(state_, now), IsQuiescent(state_)};
}

}  // namespace retirement
