// Status: what a request's status says, rendered from what the engine knows. Pure.

#pragma once

#include "retirement/state.h"

namespace retirement {

/// S8: the credentials under which the members were seen, as the condition Planned tells; "" for
/// none, or for several.
std::string SeenWith(const RequestStatus& status);

/// Its condition Ready; null for none.
const Condition* ReadyOf(const RequestStatus& status);
/// What a condition says, in one number.
uint64_t PrintOf(const Condition& condition);

/// The same state renders the same status; times of conditions come from the request's memo
/// unless the condition changes now.
RequestStatus Render(const State& state, const Request& request, Now now);

/// Keeps what later renderings need of a status that was written or read.
void Remember(Request& request, const RequestStatus& status);

/// "35/40".
std::string Progress(const Request& request);

}  // namespace retirement
