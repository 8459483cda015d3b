#include "cvm/errors.h"

namespace cvm {
namespace {

constexpr ErrorRule kTable[] = {
    // The 46 codes of TerminateInstances.
    {"FailedOperation.InvalidInstanceApplicationRole", ErrorClass::kFinal, "NotReturnable"},
    {"FailedOperation.InvalidInstanceApplicationRoleEmr", ErrorClass::kFinal, "NotReturnable"},
    {"FailedOperation.Unreturnable", ErrorClass::kFinal, "NotReturnable"},
    {"InternalError.TradeUnknownError", ErrorClass::kServer, ""},
    {"InternalServerError", ErrorClass::kServer, ""},
    {"InvalidAccount.UnpaidOrder", ErrorClass::kAccount, "UnpaidOrder"},
    {"InvalidInstance.NotSupported", ErrorClass::kFinal, "NotReturnable"},
    {"InvalidInstanceId.Malformed", ErrorClass::kFinal, "RejectedByAPI"},
    {"InvalidInstanceId.NotFound", ErrorClass::kObserve, ""},
    {"InvalidInstanceNotSupportedPrepaidInstance", ErrorClass::kFinal, "NotReturnable"},
    {"InvalidParameterValue", ErrorClass::kSplit, "RejectedByAPI"},
    {"InvalidParameterValue.InstanceIdMalformed", ErrorClass::kFinal, "RejectedByAPI"},
    {"InvalidParameterValue.InvalidAppIdFormat", ErrorClass::kCredentials, "Unauthorized"},
    {"InvalidParameterValue.LimitExceeded", ErrorClass::kSplit, "RejectedByAPI"},
    {"InvalidParameterValue.NotSupported", ErrorClass::kSplit, "RejectedByAPI"},
    {"LimitExceeded.UserReturnQuota", ErrorClass::kAccount, "ReturnQuotaExceeded"},
    {"MissingParameter", ErrorClass::kSplit, "RejectedByAPI"},
    {"MutexOperation.TaskRunning", ErrorClass::kBusy, "OperationInProgress"},
    {"OperationDenied.InstanceOperationInProgress", ErrorClass::kBusy, "OperationInProgress"},
    {"UnauthorizedOperation.InvalidToken", ErrorClass::kCredentials, "Unauthorized"},
    {"UnauthorizedOperation.MFAExpired", ErrorClass::kAccount, "Unauthorized"},
    {"UnauthorizedOperation.MFANotFound", ErrorClass::kAccount, "Unauthorized"},
    {"UnsupportedOperation", ErrorClass::kSplit, "RejectedByAPI"},
    {"UnsupportedOperation.InstanceChargeType", ErrorClass::kFinal, "NotReturnable"},
    {"UnsupportedOperation.InstanceMixedPricingModel", ErrorClass::kSplit, "RejectedByAPI"},
    {"UnsupportedOperation.InstanceStateBanning", ErrorClass::kBlocked, "Banned"},
    {"UnsupportedOperation.InstanceStateEnterRescueMode", ErrorClass::kBusy, "InstanceBusy"},
    {"UnsupportedOperation.InstanceStateEnterServiceLiveMigrate", ErrorClass::kBusy,
     "InstanceBusy"},
    {"UnsupportedOperation.InstanceStateExitRescueMode", ErrorClass::kBusy, "InstanceBusy"},
    {"UnsupportedOperation.InstanceStateExitServiceLiveMigrate", ErrorClass::kBusy, "InstanceBusy"},
    {"UnsupportedOperation.InstanceStateFreezing", ErrorClass::kBlocked, "Banned"},
    {"UnsupportedOperation.InstanceStateIsolating", ErrorClass::kObserve, "OperationInProgress"},
    {"UnsupportedOperation.InstanceStateLaunchFailed", ErrorClass::kFinal, "NotReturnable"},
    {"UnsupportedOperation.InstanceStatePending", ErrorClass::kBusy, "InstanceBusy"},
    {"UnsupportedOperation.InstanceStateRebooting", ErrorClass::kBusy, "InstanceBusy"},
    {"UnsupportedOperation.InstanceStateStarting", ErrorClass::kBusy, "InstanceBusy"},
    {"UnsupportedOperation.InstanceStateStopping", ErrorClass::kBusy, "InstanceBusy"},
    {"UnsupportedOperation.InstanceStateTerminated", ErrorClass::kObserve, ""},
    {"UnsupportedOperation.InstanceStateTerminating", ErrorClass::kObserve, "OperationInProgress"},
    {"UnsupportedOperation.InstancesProtected", ErrorClass::kBlocked, "InstanceProtected"},
    {"UnsupportedOperation.InvalidInstancesOwner", ErrorClass::kFinal, "RejectedByAPI"},
    {"UnsupportedOperation.RedHatInstanceTerminateUnsupported", ErrorClass::kFinal,
     "NotReturnable"},
    {"UnsupportedOperation.RedHatInstanceUnsupported", ErrorClass::kFinal, "NotReturnable"},
    {"UnsupportedOperation.Region", ErrorClass::kLane, ""},
    {"UnsupportedOperation.SpecialInstanceType", ErrorClass::kFinal, "NotReturnable"},
    {"UnsupportedOperation.UserLimitOperationExceedQuota", ErrorClass::kAccount,
     "ReturnQuotaExceeded"},
    // The common codes.
    {"RequestLimitExceeded", ErrorClass::kThrottled, ""},
    {"RequestLimitExceeded.UinLimitExceeded", ErrorClass::kThrottled, ""},
    {"RequestLimitExceeded.GlobalRegionUinLimitExceeded", ErrorClass::kThrottled, ""},
    {"RequestLimitExceeded.IPLimitExceeded", ErrorClass::kThrottled, ""},
    {"InternalError", ErrorClass::kServer, ""},
    {"ServiceUnavailable", ErrorClass::kServer, ""},
    {"ResourceUnavailable", ErrorClass::kServer, ""},
    {"ResourceInUse", ErrorClass::kServer, ""},
    {"ResourceInsufficient", ErrorClass::kServer, ""},
    {"FailedOperation", ErrorClass::kServer, ""},
    {"AuthFailure.InvalidAuthorization", ErrorClass::kCredentials, "Unauthorized"},
    {"AuthFailure.InvalidSecretId", ErrorClass::kCredentials, "Unauthorized"},
    {"AuthFailure.MFAFailure", ErrorClass::kAccount, "Unauthorized"},
    {"AuthFailure.SecretIdNotFound", ErrorClass::kCredentials, "Unauthorized"},
    {"AuthFailure.SignatureFailure", ErrorClass::kCredentials, "Unauthorized"},
    {"AuthFailure.UnauthorizedOperation", ErrorClass::kUnauthorized, "Unauthorized"},
    {"UnauthorizedOperation", ErrorClass::kUnauthorized, "Unauthorized"},
    {"IpInBlacklist", ErrorClass::kCredentials, "Unauthorized"},
    {"IpNotInWhitelist", ErrorClass::kCredentials, "Unauthorized"},
    {"AuthFailure.TokenFailure", ErrorClass::kCredentials, "Unauthorized"},
    {"AuthFailure.SignatureExpire", ErrorClass::kExpired, ""},
    {"ActionOffline", ErrorClass::kAccount, ""},
    {"InvalidAction", ErrorClass::kAccount, ""},
    {"NoSuchProduct", ErrorClass::kAccount, ""},
    {"NoSuchVersion", ErrorClass::kAccount, ""},
    {"UnsupportedProtocol", ErrorClass::kAccount, ""},
    {"UnsupportedRegion", ErrorClass::kLane, ""},
    {"InvalidParameter", ErrorClass::kSplit, "RejectedByAPI"},
    {"InvalidRequest", ErrorClass::kSplit, "RejectedByAPI"},
    {"UnknownParameter", ErrorClass::kSplit, "RejectedByAPI"},
    {"RequestSizeLimitExceeded", ErrorClass::kSplit, "RejectedByAPI"},
    {"ResponseSizeLimitExceeded", ErrorClass::kSplit, "RejectedByAPI"},
    {"ResourceNotFound", ErrorClass::kSplit, "RejectedByAPI"},
    {"LimitExceeded", ErrorClass::kSplit, "RejectedByAPI"},
    {"DryRunOperation", ErrorClass::kDryRunOk, ""},
};

// Codes that are not documented, by their first part.
constexpr ErrorRule kPrefixes[] = {
    {"RequestLimitExceeded", ErrorClass::kThrottled, ""},
    {"AuthFailure", ErrorClass::kCredentials, "Unauthorized"},
    {"UnauthorizedOperation", ErrorClass::kUnauthorized, "Unauthorized"},
    {"InternalError", ErrorClass::kServer, ""},
    {"InternalServerError", ErrorClass::kServer, ""},
    {"MutexOperation", ErrorClass::kBusy, "OperationInProgress"},
    {"OperationDenied", ErrorClass::kBusy, "InstanceBusy"},
    {"ResourceInUse", ErrorClass::kServer, ""},
    {"ResourceUnavailable", ErrorClass::kServer, ""},
};

bool IsPrefix(std::string_view prefix, std::string_view code) {
  return code.starts_with(prefix) && (code.size() == prefix.size() || code[prefix.size()] == '.');
}

bool IsIdCharacter(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z'); }

}  // namespace

std::span<const ErrorRule> ErrorTable() { return kTable; }

ErrorRule Classify(std::string_view code) {
  for (const ErrorRule& rule : kTable) {
    if (rule.code == code) return rule;
  }
  for (const ErrorRule& rule : kPrefixes) {
    if (IsPrefix(rule.code, code)) return rule;
  }
  return {code, ErrorClass::kSplit, "RejectedByAPI"};
}

std::vector<std::string> QuotedIds(std::string_view message) {
  constexpr std::string_view kPrefix = "ins-";
  constexpr size_t kLength = 12;
  std::vector<std::string> ids;
  for (size_t at = message.find(kPrefix); at != std::string_view::npos;
       at = message.find(kPrefix, at + 1)) {
    const std::string_view id = message.substr(at, kLength);
    size_t n = kPrefix.size();
    while (n < id.size() && IsIdCharacter(id[n])) ++n;
    const bool longer = at + kLength < message.size() && IsIdCharacter(message[at + kLength]);
    if (n == kLength && !longer) ids.emplace_back(id);
  }
  return ids;
}

}  // namespace cvm
