// The custom resources as values: what users declare and what the operator records.

#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "retirement/types.h"

namespace retirement {

// --- CloudAccount ---

struct AccountSpec {
  Mode mode = Mode::kDryRun;
  bool paused = false;
  std::vector<std::string> regions{};
  // Exactly one source of credentials: a Secret, or the environment when the name is empty.
  std::string secret_name{};
  std::string secret_id_key = "secretId";
  std::string secret_key_key = "secretKey";
  std::string token_key = "token";
  std::string endpoint = "https://cvm.tencentcloudapi.com";
  bool use_get = false;
  std::string signature = "TC3-HMAC-SHA256";
  bool server_side_dry_run = false;
  Millis call_validity = std::chrono::seconds{60};
  int terminate_per_second = 8;
  int describe_per_second = 20;
  bool all_namespaces = false;
  std::vector<std::string> namespaces{};
};

enum class ConditionStatus : uint8_t { kAbsent, kTrue, kFalse, kUnknown };
const char* ToString(ConditionStatus status);

struct Condition {
  std::string type{};
  ConditionStatus status = ConditionStatus::kAbsent;
  std::string reason{};
  std::string message{};
  Wall since{};
  int64_t observed_generation = 0;
};

struct AccountStatus {
  int64_t observed_generation = -1;
  std::string installation{};  // status.operator: the namespace of the installation that serves it
  int64_t waiting_requests = 0;
  int64_t waiting_instances = 0;
  std::vector<Condition> conditions{};
};

struct AccountObject {
  std::string name{};
  std::string uid{};
  std::string version{};
  int64_t generation = 0;
  AccountSpec spec{};
  std::vector<std::string> errors{};  // what is wrong with the spec, each naming its field
  AccountStatus status{};
};

// --- InstanceRetirement ---

struct Expectation {
  std::string name{};
  std::string private_ip{};
};

struct MemberSpec {
  InstanceId id{};
  std::unique_ptr<Expectation> expect{};  // rare, so it costs one word when absent

  MemberSpec() = default;
  MemberSpec(InstanceId instance) : id(instance) {}
  MemberSpec(const MemberSpec& other)
      : id(other.id),
        expect(other.expect ? std::make_unique<Expectation>(*other.expect) : nullptr) {}
  MemberSpec& operator=(const MemberSpec& other) { return *this = MemberSpec(other); }
  MemberSpec(MemberSpec&&) = default;
  MemberSpec& operator=(MemberSpec&&) = default;
};

/// What a request wants done. Two requests that name one instance agree if these are equal.
struct Intent {
  PrepaidPolicy prepaid = PrepaidPolicy::kRecycle;
  PostpaidPolicy postpaid = PostpaidPolicy::kTerminate;
  bool release_address = false;
  bool release_disks = false;
  bool operator==(const Intent&) const = default;
};

struct RequestSpec {
  std::string account = "default";
  std::string region{};
  Mode mode = Mode::kExecute;
  bool suspend = false;
  std::optional<Wall> not_before{};
  std::optional<Wall> expires_at{};
  Millis grace{0};
  Intent intent{};
  std::vector<MemberSpec> members{};
};

struct MemberStatus {
  InstanceId id{};
  MemberState state = MemberState::kPending;
  Reason reason = Reason::kNone;
  uint16_t attempts = 0;
  bool unheard = false;  // it was added by our own clock, as the service was not heard
  uint64_t batch = 0;    // the sequence in the lane of its request, 0 for none
  Wall time{};           // of the last change of state
  Wall added{};          // since when it is a member: a grace period counts from here; not shown
  ChargeType charge{};
  CloudRequestId request_id{};
  std::shared_ptr<const std::string> message{};

  std::string_view message_view() const { return message ? *message : std::string_view{}; }
};

struct Plan {
  std::string digest{};
  int prepaid = 0;
  int postpaid = 0;
  int calls = 0;
  Wall time{};
};

struct Summary {
  int count[kMemberStates] = {};
  int total = 0;
};

struct RequestStatus {
  int64_t observed_generation = -1;
  Phase phase = Phase::kPending;
  Summary summary{};
  Plan plan{};
  std::optional<Wall> next_attempt{};
  std::optional<Wall> accepted{};
  std::optional<Wall> started{};
  std::optional<Wall> completed{};
  std::string handled_requested_at{};
  std::vector<MemberStatus> members{};
  std::vector<Condition> conditions{};
};

struct RequestObject {
  RequestKey key{};
  std::string uid{};
  std::string version{};
  int64_t generation = 0;
  Wall created{};
  bool deleting = false;
  std::string hold{};          // "name=text" of the first hold annotation, "" when there is none
  std::string requested_at{};  // the annotation that asks to look again
  RequestSpec spec{};
  std::vector<std::string> errors{};
  RequestStatus status{};
};

/// Equal for statuses that read the same; times count, order of conditions does not matter here
/// because both sides write them in one order.
uint64_t FingerprintOf(const RequestStatus& status);
uint64_t FingerprintOf(const AccountStatus& status);

// --- RetirementBatch ---

struct BatchMember {
  InstanceId id{};
  RequestKey request{};
  std::string uid{};
  BatchResult result = BatchResult::kNone;
  Wall time{};
};

struct BatchObject {
  Lane lane{};
  uint64_t sequence = 0;
  std::string version{};
  // spec
  ChargeType charge{};
  Step step = Step::kFirst;
  bool release_address = false;
  bool release_disks = false;
  bool dry_run = false;  // sent with DryRun=true: it is not to be executed
  Millis call_validity{0};
  std::string endpoint{};
  std::string credential{};
  std::string holder{};
  Wall signed_at{};
  std::vector<BatchMember> members{};
  // status
  BatchPhase phase = BatchPhase::kIntent;
  std::string request_id{};
  std::string error_code{};
  std::string error_message{};
  std::optional<Wall> answered{};
  std::optional<Wall> verified{};
  // metadata
  std::string close{};  // annotation cvm-retirement.dev/close, "who: why": a person ends it
};

/// "<account>.<region>.<sequence of ten digits>".
std::string BatchName(const Lane& lane, uint64_t sequence);
/// The sequence in a name of `lane`; nothing for another lane or a malformed name.
std::optional<uint64_t> SequenceOf(std::string_view name, const Lane& lane);

}  // namespace retirement
