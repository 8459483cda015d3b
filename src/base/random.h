// Randomness as a value that is passed in, so that every run can be repeated from its seed.

#pragma once

#include <cstdint>
#include <string>

namespace base {

/// SplitMix64 (Steele, Lea, Flood 2014): small, fast, not for secrets. Not thread-safe.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t Next();
  /// Uniform in [0, bound); 0 for bound 0.
  uint64_t Below(uint64_t bound) { return bound == 0 ? 0 : Next() % bound; }
  /// Uniform in [0, 1).
  double Fraction() { return double(Next() >> 11) * 0x1.0p-53; }
  bool Chance(double probability) { return Fraction() < probability; }

 private:
  uint64_t state_;
};

/// A seed from the operating system.
uint64_t RandomSeed();
/// 32 lower-case hexadecimal digits from the operating system's secure source.
std::string RandomHex32();

}  // namespace base
