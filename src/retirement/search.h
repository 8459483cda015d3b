// Search: how a refused batch is divided to find the instance that spoiled it. Pure.

#pragma once

#include <vector>

#include "retirement/target.h"

namespace retirement {

/// Divides `targets` into groups that are called apart from each other. Ids that the refusal quotes
/// are a hint: they go into a group of their own. Without a useful hint the batch is halved, so
/// one offender in a hundred costs at most 15 calls (E1).
std::vector<std::vector<Target*>> Divide(const std::vector<Target*>& targets,
                                         const std::vector<InstanceId>& hinted);

}  // namespace retirement
