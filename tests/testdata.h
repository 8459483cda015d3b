// The vendor's vectors, copied to tests/testdata.

#pragma once

#include <gtest/gtest.h>

#include <string>

#include "base/file.h"
#include "base/json.h"

/// The content of a file of tests/testdata.
inline std::string Testdata(const std::string& name) {
  const auto text = base::ReadFile(std::string(CVM_TESTDATA) + "/" + name);
  EXPECT_TRUE(text) << name;
  return text ? *text : std::string();
}
