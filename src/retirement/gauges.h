// Gauges: counts that the metrics show, kept by transition so that nothing is ever counted anew.

#pragma once

#include <array>
#include <cstdint>

#include "retirement/types.h"

namespace retirement {

struct Gauges {
  std::array<int64_t, kPhases> requests{};
  std::array<int64_t, kMemberStates> members{};
  std::array<int64_t, kReasons> blocked{};
};

}  // namespace retirement
