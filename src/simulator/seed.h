// Seed: what a simulator begins with, read from YAML. docs/simulator.md describes the format.

#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "cvm/credentials.h"
#include "simulator/cloud.h"

namespace simulator {

struct Seed {
  std::vector<cvm::Credentials> identities{};
  std::vector<Instance> instances{};
  base::Millis terminate_shortest{1'000};
  base::Millis terminate_longest{3'000};
  base::Millis describe_lag{0};
  std::map<std::string, int> limits = {{"TerminateInstances", 10}, {"DescribeInstances", 40}};
  bool names_offenders = true;
  std::string dry_run = "honoured";  // DryRun=true is honoured, unknown or ignored
};

/// Every error of the text at once, each with its place.
base::Result<Seed> ReadSeed(const std::string& text, const std::string& file);

}  // namespace simulator
