// The words of the engine: ids, states and reasons. Names in text are those of the API.

#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"

namespace retirement {

using base::Millis;
using base::Mono;
using base::Now;
using base::Wall;

/// "ins-" and eight of [0-9a-z] (CVM API, InvalidParameterValue.InstanceIdMalformed), packed into
/// one word. The default value is no id.
class InstanceId {
 public:
  InstanceId() = default;
  static std::optional<InstanceId> Parse(std::string_view text);
  std::string ToString() const;
  uint64_t packed() const { return packed_; }
  auto operator<=>(const InstanceId&) const = default;

 private:
  uint64_t packed_ = 0;  // the first character is the most significant byte: order as of the text
};

/// A short text stored in place: charge types and request ids, of which there are many. Longer
/// texts are cut.
template <size_t N>
class ShortText {
 public:
  ShortText() = default;
  ShortText(std::string_view text) : size_(uint8_t(std::min(text.size(), N))) {
    text.copy(chars_.data(), size_);
  }
  std::string_view view() const { return {chars_.data(), size_}; }
  bool empty() const { return size_ == 0; }
  bool operator==(const ShortText& other) const { return view() == other.view(); }

 private:
  static_assert(N < 256);
  std::array<char, N> chars_{};
  uint8_t size_ = 0;
};
using ChargeType = ShortText<31>;
using CloudRequestId = ShortText<47>;

inline constexpr std::string_view kPrepaid = "PREPAID";

/// Where calls go and in which order: one account in one region.
struct Lane {
  std::string account{};
  std::string region{};
  auto operator<=>(const Lane&) const = default;
};

struct RequestKey {
  std::string ns{};
  std::string name{};
  auto operator<=>(const RequestKey&) const = default;
  std::string ToString() const { return ns + "/" + name; }
};

/// What an account does in a region, and what may fail.
enum class Work : uint8_t { kLook, kSight, kConfirm, kCommit, kRecord, kCall, kInstance };

/// The kinds that the engine watches.
enum class Kind { kAccount, kBatch, kRequest };
inline constexpr size_t kKinds = 3;

// From mild to harsh: the mildest of several requests wins.
enum class PrepaidPolicy : uint8_t { kRefuse, kRecycle, kDestroy };
enum class PostpaidPolicy : uint8_t { kRefuse, kTerminate };
enum class Step : uint8_t { kFirst, kSecond };
enum class Mode : uint8_t { kExecute, kDryRun };

enum class MemberState : uint8_t {
  kPending,
  kWaiting,
  kSubmitted,
  kVerifying,
  kRetired,
  kRecycled,
  kBlocked,
  kFailed,
  kCancelled,
  kPlanned,
};
inline constexpr size_t kMemberStates = 10;
const char* ToString(MemberState state);
std::optional<MemberState> ParseMemberState(std::string_view text);
/// Nothing more is done for it (a Blocked one is looked at again, slowly).
bool IsFinal(MemberState state);

enum class Reason : uint8_t {
  kNone,
  kOperationInProgress,
  kInstanceBusy,
  kReturnQuotaExceeded,
  kAmbiguous,
  kDuplicateRequest,
  kRetiredByUs,
  kRetiredByOther,
  kAlreadyGone,
  kInstanceProtected,
  kExpectMismatch,
  kUnpaidOrder,
  kUnauthorized,
  kBanned,
  kVerifyDeadlineExceeded,
  kNeverObserved,
  kChargeTypeRefused,
  kNotReturnable,
  kRejectedByApi,
  kResurrected,
  kCancelled,
  kExpired,
  kWouldRetire,
  kHeldByOther,
  kAwaitingBatch,
  kServiceError,
  kThrottled,
  kRefused,
};
inline constexpr size_t kReasons = 28;
const char* ToString(Reason reason);
std::optional<Reason> ParseReason(std::string_view text);

enum class Phase : uint8_t {
  kPending,
  kWaiting,
  kExecuting,
  kVerifying,
  kComplete,
  kIncomplete,
  kDryRun,
  kExpired,
};
inline constexpr size_t kPhases = 8;
const char* ToString(Phase phase);

enum class BatchPhase : uint8_t {
  kIntent,
  kAccepted,
  kRejected,
  kAmbiguous,
  kAbandoned,
  kVerified
};
const char* ToString(BatchPhase phase);
std::optional<BatchPhase> ParseBatchPhase(std::string_view text);
bool IsClosed(BatchPhase phase);

/// What became of one member of a batch.
enum class BatchResult : uint8_t { kNone, kRetired, kRecycled, kUntouched, kUnknown };
const char* ToString(BatchResult result);
std::optional<BatchResult> ParseBatchResult(std::string_view text);

const char* ToString(PrepaidPolicy policy);
const char* ToString(PostpaidPolicy policy);
const char* ToString(Step step);

}  // namespace retirement
