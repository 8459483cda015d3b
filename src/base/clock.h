// The clocks of this machine. Only the shell reads them; decisions take base::Now.

#pragma once

#include "base/time.h"

namespace base {

/// Reads CLOCK_BOOTTIME and the system's wall clock. Thread-safe.
Now ReadClock();
inline Mono MonoNow() { return ReadClock().mono; }

}  // namespace base
