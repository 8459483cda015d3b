#include "base/random.h"

#include <fmt/format.h>

#include <random>

namespace base {

uint64_t Random::Next() {
  uint64_t z = (state_ += 0x9e3779b97f4a7c15);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

uint64_t RandomSeed() {
  std::random_device device;
  return (uint64_t{device()} << 32) | device();
}

std::string RandomHex32() { return fmt::format("{:016x}{:016x}", RandomSeed(), RandomSeed()); }

}  // namespace base
