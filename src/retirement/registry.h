// Registry: requests and accounts as the cluster has them, and what follows from a change of one.

#pragma once

#include "retirement/state.h"

namespace retirement {

void OnRequestSeen(State& state, const RequestSeen& event, Now now);
void OnRequestGone(State& state, const RequestKey& key, Now now);
void OnResetBegin(State& state, const ResetBegin& event);
/// Sweeps what the list lacked.
void OnResetEnd(State& state, const ResetEnd& event, Now now);

/// A member that was removed from the spec leaves the status once its batch is closed.
void PruneRemoved(State& state, Request& request, Now now);

/// Decides anew whether `request` is accepted and permitted, and follows up.
void Refresh(State& state, Request& request, Now now);
/// The same within this step or the next one.
void RefreshSoon(State& state, Request& request);
/// The same for every request of an account, within this step if they are not too many.
void RefreshAccount(State& state, const std::string& account, Now now);
/// Decides anew about requests that wait for it, some at a time.
void DriveRefreshes(State& state, Now now);
/// Requests whose time has come.
void OnWallTime(State& state, Now now);
Mono NextWallWake(const State& state, Now now);

}  // namespace retirement
