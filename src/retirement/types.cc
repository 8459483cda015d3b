#include "retirement/types.h"

namespace retirement {
namespace {

constexpr std::string_view kPrefix = "ins-";
constexpr size_t kIdChars = 8;

constexpr std::array<const char*, kMemberStates> kStateNames = {
    "Pending",  "Waiting", "Submitted", "Verifying", "Retired",
    "Recycled", "Blocked", "Failed",    "Cancelled", "Planned"};

constexpr std::array<const char*, kReasons> kReasonNames = {"",
                                                            "OperationInProgress",
                                                            "InstanceBusy",
                                                            "ReturnQuotaExceeded",
                                                            "Ambiguous",
                                                            "DuplicateRequest",
                                                            "RetiredByUs",
                                                            "RetiredByOther",
                                                            "AlreadyGone",
                                                            "InstanceProtected",
                                                            "ExpectMismatch",
                                                            "UnpaidOrder",
                                                            "Unauthorized",
                                                            "Banned",
                                                            "VerifyDeadlineExceeded",
                                                            "NeverObserved",
                                                            "ChargeTypeRefused",
                                                            "NotReturnable",
                                                            "RejectedByAPI",
                                                            "Resurrected",
                                                            "Cancelled",
                                                            "Expired",
                                                            "WouldRetire",
                                                            "HeldByOther",
                                                            "AwaitingBatch",
                                                            "ServiceError",
                                                            "Throttled",
                                                            "Refused"};

constexpr std::array<const char*, kPhases> kPhaseNames = {
    "Pending", "Waiting", "Executing", "Verifying", "Complete", "Incomplete", "DryRun", "Expired"};

constexpr std::array<const char*, 6> kBatchPhaseNames = {"Intent",    "Accepted",  "Rejected",
                                                         "Ambiguous", "Abandoned", "Verified"};

constexpr std::array<const char*, 5> kResultNames = {"", "Retired", "Recycled", "Untouched",
                                                     "Unknown"};

template <typename Enum, size_t N>
std::optional<Enum> Find(const std::array<const char*, N>& names, std::string_view text) {
  for (size_t i = 0; i < N; ++i) {
    if (text == names[i]) return Enum(i);
  }
  return std::nullopt;
}

}  // namespace

std::optional<InstanceId> InstanceId::Parse(std::string_view text) {
  if (text.size() != kPrefix.size() + kIdChars || !text.starts_with(kPrefix)) return std::nullopt;
  InstanceId id;
  for (const char c : text.substr(kPrefix.size())) {
    if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z'))) return std::nullopt;
    id.packed_ = id.packed_ << 8 | static_cast<unsigned char>(c);
  }
  return id;
}

std::string InstanceId::ToString() const {
  std::string text(kPrefix);
  for (int shift = 56; shift >= 0; shift -= 8) text += char(packed_ >> shift & 0xff);
  return text;
}

const char* ToString(MemberState state) { return kStateNames[size_t(state)]; }
std::optional<MemberState> ParseMemberState(std::string_view text) {
  return Find<MemberState>(kStateNames, text);
}

bool IsFinal(MemberState state) {
  switch (state) {
    case MemberState::kPending:
    case MemberState::kWaiting:
    case MemberState::kSubmitted:
    case MemberState::kVerifying:
      return false;
    case MemberState::kRetired:
    case MemberState::kRecycled:
    case MemberState::kBlocked:
    case MemberState::kFailed:
    case MemberState::kCancelled:
    case MemberState::kPlanned:
      return true;
  }
  __builtin_unreachable();
}

const char* ToString(Reason reason) { return kReasonNames[size_t(reason)]; }
std::optional<Reason> ParseReason(std::string_view text) {
  return Find<Reason>(kReasonNames, text);
}
const char* ToString(Phase phase) { return kPhaseNames[size_t(phase)]; }
const char* ToString(BatchPhase phase) { return kBatchPhaseNames[size_t(phase)]; }
std::optional<BatchPhase> ParseBatchPhase(std::string_view text) {
  return Find<BatchPhase>(kBatchPhaseNames, text);
}
const char* ToString(BatchResult result) { return kResultNames[size_t(result)]; }
std::optional<BatchResult> ParseBatchResult(std::string_view text) {
  return Find<BatchResult>(kResultNames, text);
}

bool IsClosed(BatchPhase phase) {
  return phase == BatchPhase::kRejected || phase == BatchPhase::kAbandoned ||
         phase == BatchPhase::kVerified;
}

const char* ToString(PrepaidPolicy policy) {
  constexpr std::array<const char*, 3> kNames = {"Refuse", "Recycle", "Destroy"};
  return kNames[size_t(policy)];
}
const char* ToString(PostpaidPolicy policy) {
  return policy == PostpaidPolicy::kRefuse ? "Refuse" : "Terminate";
}
const char* ToString(Step step) { return step == Step::kFirst ? "First" : "Second"; }

}  // namespace retirement
