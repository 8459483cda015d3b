#include "base/clock.h"

#include <ctime>

namespace base {

Now ReadClock() {
  timespec boot{};
  clock_gettime(CLOCK_BOOTTIME, &boot);
  const Millis since_boot{int64_t{boot.tv_sec} * 1000 + boot.tv_nsec / 1'000'000};
  return {Mono{since_boot}, std::chrono::floor<Millis>(std::chrono::system_clock::now())};
}

}  // namespace base
