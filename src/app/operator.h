// Operator: builds the parts, runs them, and takes them down in order.

#pragma once

#include "app/config.h"

namespace app {

/// Exit codes of the process.
inline constexpr int kCleanStop = 0;
inline constexpr int kRuntimeFailure = 1;
inline constexpr int kBadConfiguration = 2;

/// Runs until SIGTERM or SIGINT, or until it must not go on. An exit code.
int RunOperator(const Config& config);

const char* Version();
const char* Revision();

}  // namespace app
