// Data flows one way: a folder of src includes only folders that are below it.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>

namespace {

namespace fs = std::filesystem;

const std::map<std::string, std::set<std::string>> kMayInclude = {
    {"base", {}},
    {"http", {"base"}},
    {"kube", {"base", "http"}},
    {"cvm", {"base", "http"}},
    {"retirement", {"base"}},
    {"translate", {"base", "http", "cvm", "retirement"}},
    {"controller", {"base", "http", "kube", "cvm", "retirement", "translate"}},
    {"app", {"base", "http", "kube", "cvm", "retirement", "translate", "controller"}},
    {"simulator", {"base", "http", "cvm"}},  // cvm for the wire format only
};

/// Every include of `file` is of its own folder or one that `folder` may use.
void CheckFile(const fs::path& file, const std::string& own, const std::string& folder) {
  static const std::regex include(R"re(^#include "([a-z]+)/)re");
  std::ifstream text(file);
  for (std::string line; std::getline(text, line);) {
    std::smatch match;
    if (!std::regex_search(line, match, include) || match[1] == own || match[1] == folder) continue;
    EXPECT_TRUE(kMayInclude.at(folder).contains(match[1]))
        << file << " includes " << match[1] << ", which is not below " << folder;
  }
}

TEST(ArchitectureTest, NoIncludePointsUp) {
  int files = 0;
  for (const auto& entry : fs::recursive_directory_iterator(CVM_SOURCES)) {
    const std::string extension = entry.path().extension().string();
    if (extension != ".h" && extension != ".cc") continue;
    const std::string folder = fs::relative(entry.path(), CVM_SOURCES).begin()->string();
    ASSERT_TRUE(kMayInclude.contains(folder)) << "a folder without a place: " << folder;
    CheckFile(entry.path(), folder, folder);
    ++files;
  }
  EXPECT_GT(files, 60);
}

// The model of the cloud that simulation shares must stay free of I/O, and the engine with it.
TEST(ArchitectureTest, TheEngineAndTheCloudModelKnowOnlyValues) {
  for (const char* file : {"simulator/cloud.h", "simulator/cloud.cc"}) {
    CheckFile(fs::path(CVM_SOURCES) / file, "simulator", "base");
  }
  static const std::regex impure(
      R"re(ReadClock|MonoNow|RandomSeed|std::thread|std::mutex|LogInfo)re");
  for (const auto& entry : fs::directory_iterator(fs::path(CVM_SOURCES) / "retirement")) {
    std::ifstream file(entry.path());
    const std::string text((std::istreambuf_iterator<char>(file)), {});
    EXPECT_FALSE(std::regex_search(text, impure)) << entry.path();
  }
}

}  // namespace
