// Kubernetes events (events.k8s.io/v1) as JSON.

#pragma once

#include <string>

#include "base/time.h"

namespace kube {

struct EventNote {
  std::string kind{};  // of the object it is about
  std::string ns{};
  std::string name{};
  std::string uid{};
  bool warning = false;
  std::string reason{};
  std::string action{};
  std::string note{};
};

/// `unique` makes the name; `instance` says which process reports.
std::string WriteEvent(const EventNote& note, const std::string& unique,
                       const std::string& instance, base::Wall now);

}  // namespace kube
