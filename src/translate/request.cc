#include "translate/request.h"

#include <algorithm>
#include <set>

#include "translate/common.h"

namespace translate {
namespace {

using namespace retirement;

constexpr size_t kMostMembers = 200;
constexpr std::string_view kHoldPrefix = "hold.cvm-retirement.dev/";
constexpr std::string_view kRequestedAt = "cvm-retirement.dev/requestedAt";
constexpr size_t kLongestHold = 200;
constexpr size_t kLongestStamp = 256;  // as status.lastHandledRequestedAt

const ForeignWords kForeign = {
    {"dryRun", "write mode: DryRun"},
    {"paused", "write suspend: true"},
    {"suspended", "write suspend: true"},
    {"force", "what blocks an instance must be removed at the instance"},
    {"account", "write accountRef: {name: ...}"},
    {"instanceIds", "write instances: [{id: ins-r8hr2upy}]"},
    {"selector", "name each instance: instances: [{id: ins-r8hr2upy}]"},
    {"ttlSecondsAfterFinished", "a finished request stays until somebody deletes it"}};

/// The first hold by name, so that the same annotations always read the same.
std::string ReadHold(base::JsonValue annotations) {
  std::set<std::string> holds;
  annotations.ForEachField([&](std::string_view key, base::JsonValue value) {
    if (!key.starts_with(kHoldPrefix)) return;
    holds.insert(std::string(key.substr(kHoldPrefix.size())) + "=" + std::string(value.String()));
  });
  return holds.empty() ? "" : base::ClipUtf8(*holds.begin(), kLongestHold);
}

void ReadMembers(base::JsonValue list, RequestSpec& spec, std::vector<std::string>& errors) {
  std::set<InstanceId> seen;
  size_t index = 0;
  list.ForEach([&](base::JsonValue item) {
    const std::string field = "spec.instances[" + std::to_string(index++) + "]";
    const auto id = InstanceId::Parse(item["id"].String());
    if (!id) {
      errors.push_back(field + ".id must be an instance id such as ins-r8hr2upy");
      return;
    }
    if (!seen.insert(*id).second) errors.push_back(field + ".id is given twice");
    MemberSpec member(*id);
    if (const base::JsonValue e = item["expect"]; e.exists()) {
      member.expect = std::make_unique<Expectation>(
          Expectation{std::string(e["name"].String()), std::string(e["privateIP"].String())});
    }
    spec.members.push_back(std::move(member));
  });
  if (spec.members.empty() || list.Size() > kMostMembers) {
    errors.push_back("spec.instances must name 1 to 200 instances");
  }
}

void ReadSchedule(base::JsonValue s, RequestSpec& spec, std::vector<std::string>& errors) {
  spec.not_before = ReadTime(s["notBefore"], "spec.schedule.notBefore", errors);
  spec.expires_at = ReadTime(s["expiresAt"], "spec.schedule.expiresAt", errors);
  spec.grace = ReadDuration(s["gracePeriod"], "spec.schedule.gracePeriod", Millis{0}, errors);
  if (spec.not_before && spec.expires_at && *spec.expires_at <= *spec.not_before) {
    errors.push_back("spec.schedule.expiresAt must be after notBefore");
  }
}

Intent ReadIntent(base::JsonValue t, std::vector<std::string>& errors) {
  Intent intent;
  const size_t prepaid =
      ReadEnum(t["prepaid"], "spec.termination.prepaid", {"Recycle", "Refuse", "Destroy"}, errors);
  intent.prepaid = prepaid == 2   ? PrepaidPolicy::kDestroy
                   : prepaid == 1 ? PrepaidPolicy::kRefuse
                                  : PrepaidPolicy::kRecycle;
  const bool refuse =
      ReadEnum(t["postpaid"], "spec.termination.postpaid", {"Terminate", "Refuse"}, errors) == 1;
  intent.postpaid = refuse ? PostpaidPolicy::kRefuse : PostpaidPolicy::kTerminate;
  intent.release_address =
      ReadBool(t["releaseAddress"], "spec.termination.releaseAddress", false, errors);
  intent.release_disks = ReadBool(t["releasePrepaidDataDisks"],
                                  "spec.termination.releasePrepaidDataDisks", false, errors);
  return intent;
}

RequestSpec ReadSpec(base::JsonValue s, std::vector<std::string>& errors) {
  RequestSpec spec;
  spec.region = s["region"].String();
  if (!IsRegion(spec.region)) errors.push_back(std::string("spec.region ") + kRegionForm);
  RefuseForeign(s, kForeign, errors);
  if (!s["accountRef"]["name"].String().empty()) spec.account = s["accountRef"]["name"].String();
  if (!IsDnsLabel(spec.account, 40)) {
    errors.push_back("spec.accountRef.name must be a DNS label of at most 40 characters");
  }
  const bool dry_run = ReadEnum(s["mode"], "spec.mode", {"Execute", "DryRun"}, errors) == 1;
  spec.mode = dry_run ? Mode::kDryRun : Mode::kExecute;
  spec.suspend = ReadBool(s["suspend"], "spec.suspend", false, errors);
  ReadMembers(s["instances"], spec, errors);
  ReadSchedule(s["schedule"], spec, errors);
  spec.intent = ReadIntent(s["termination"], errors);
  return spec;
}

MemberStatus ReadMember(base::JsonValue m, const Lane& lane) {
  MemberStatus status;
  status.id = InstanceId::Parse(m["id"].String()).value_or(InstanceId());
  // An unknown state is one of a newer operator: it is observed again.
  status.state = ParseMemberState(m["state"].String()).value_or(MemberState::kPending);
  status.reason = ParseReason(m["reason"].String()).value_or(Reason::kNone);
  status.charge = ChargeType(m["chargeType"].String());
  status.batch = SequenceOf(m["batch"].String(), lane).value_or(0);
  status.request_id = CloudRequestId(m["requestId"].String());
  status.attempts = uint16_t(std::clamp<int64_t>(m["attempts"].Int().value_or(0), 0, 65535));
  status.time = base::ParseRfc3339(m["time"].String()).value_or(Wall{});
  if (const std::string_view text = m["message"].String(); !text.empty()) {
    status.message = std::make_shared<const std::string>(text);
  }
  return status;
}

std::optional<Phase> ParsePhase(std::string_view text) {
  for (size_t i = 0; i < kPhases; ++i) {
    if (text == ToString(Phase(i))) return Phase(i);
  }
  return std::nullopt;
}

constexpr const char* kSummaryKeys[kMemberStates] = {
    "pending",  "waiting", "submitted", "verifying", "retired",
    "recycled", "blocked", "failed",    "cancelled", "planned"};

void ReadCounts(base::JsonValue s, RequestStatus& status) {
  for (size_t i = 0; i < kMemberStates; ++i) {
    status.summary.count[i] = int(s["summary"][kSummaryKeys[i]].Int().value_or(0));
  }
  status.summary.total = int(s["summary"]["total"].Int().value_or(0));
  const base::JsonValue plan = s["plan"];
  status.plan = {std::string(plan["digest"].String()), int(plan["prepaid"].Int().value_or(0)),
                 int(plan["postpaid"].Int().value_or(0)), int(plan["calls"].Int().value_or(0)),
                 base::ParseRfc3339(plan["time"].String()).value_or(Wall{})};
}

RequestStatus ReadStatus(base::JsonValue s, const Lane& lane) {
  RequestStatus status;
  std::vector<std::string> ignored;
  status.observed_generation = s["observedGeneration"].Int().value_or(-1);
  status.phase = ParsePhase(s["phase"].String()).value_or(Phase::kPending);
  ReadCounts(s, status);
  status.next_attempt = ReadTime(s["nextAttemptTime"], "", ignored);
  status.accepted = ReadTime(s["acceptedTime"], "", ignored);
  status.started = ReadTime(s["startTime"], "", ignored);
  status.completed = ReadTime(s["completionTime"], "", ignored);
  status.handled_requested_at = s["lastHandledRequestedAt"].String();
  s["instances"].ForEach([&](base::JsonValue m) {
    const MemberStatus member = ReadMember(m, lane);
    if (member.id != InstanceId()) status.members.push_back(member);
  });
  status.conditions = ReadConditions(s["conditions"]);
  return status;
}

void WriteMember(base::JsonWriter& json, const MemberStatus& m, const Lane& lane) {
  json.BeginObject();
  json.Field("id", m.id.ToString());
  json.Field("state", ToString(m.state));
  json.OptionalField("reason", ToString(m.reason));
  json.OptionalField("chargeType", m.charge.view());
  if (m.batch != 0) json.Field("batch", BatchName(lane, m.batch));
  json.OptionalField("requestId", m.request_id.view());
  if (m.attempts != 0) json.Field("attempts", int(m.attempts));
  json.Field("time", base::FormatRfc3339(m.time));
  json.OptionalField("message", m.message_view());
  json.EndObject();
}

void WriteSummary(base::JsonWriter& json, const Summary& summary) {
  json.Key("summary");
  json.BeginObject();
  json.Field("total", summary.total);
  for (size_t i = 0; i < kMemberStates; ++i) json.Field(kSummaryKeys[i], summary.count[i]);
  json.EndObject();
}

void WritePlan(base::JsonWriter& json, const Plan& plan) {
  json.Key("plan");
  if (plan.digest.empty()) return json.Null();
  json.BeginObject();
  json.Field("digest", plan.digest);
  json.Field("prepaid", plan.prepaid);
  json.Field("postpaid", plan.postpaid);
  json.Field("calls", plan.calls);
  json.Field("time", base::FormatRfc3339(plan.time));
  json.EndObject();
}

int GoodMembers(const RequestStatus& s) {
  const auto count = [&](MemberState state) { return s.summary.count[size_t(state)]; };
  return count(MemberState::kRetired) + count(MemberState::kRecycled) +
         count(MemberState::kPlanned);
}

}  // namespace

base::Result<RequestObject> ReadRequest(base::JsonValue object) {
  const base::JsonValue metadata = object["metadata"];
  RequestObject r;
  r.key = {std::string(metadata["namespace"].String()), std::string(metadata["name"].String())};
  r.uid = metadata["uid"].String();
  if (r.key.name.empty() || r.uid.empty()) {
    return base::Error{.code = base::Code::kInternal,
                       .message = "an InstanceRetirement without a name or uid"};
  }
  r.version = metadata["resourceVersion"].String();
  r.generation = metadata["generation"].Int().value_or(0);
  r.created = base::ParseRfc3339(metadata["creationTimestamp"].String()).value_or(Wall{});
  r.deleting = metadata["deletionTimestamp"].exists();
  r.hold = ReadHold(metadata["annotations"]);
  r.requested_at = base::ClipUtf8(metadata["annotations"][kRequestedAt].String(), kLongestStamp);
  r.spec = ReadSpec(object["spec"], r.errors);
  r.status = ReadStatus(object["status"], {r.spec.account, r.spec.region});
  return r;
}

LiveRequest ReadLiveRequest(const RequestKey& key, base::JsonValue object) {
  const base::JsonValue metadata = object["metadata"];
  return {key,
          true,
          std::string(metadata["uid"].String()),
          metadata["generation"].Int().value_or(0),
          metadata["deletionTimestamp"].exists(),
          ReadHold(metadata["annotations"]),
          std::string(metadata["resourceVersion"].String())};
}

std::string WriteRequestStatus(const std::string& version, const RequestStatus& s,
                               const Lane& lane) {
  base::JsonWriter json;
  BeginStatusPatch(json, version);
  json.Field("observedGeneration", s.observed_generation);
  json.Field("phase", ToString(s.phase));
  json.Field("progress", std::to_string(GoodMembers(s)) + "/" + std::to_string(s.summary.total));
  WriteSummary(json, s.summary);
  WritePlan(json, s.plan);
  WriteTime(json, "nextAttemptTime", s.next_attempt);
  WriteTime(json, "acceptedTime", s.accepted);
  WriteTime(json, "startTime", s.started);
  WriteTime(json, "completionTime", s.completed);
  json.NullableField("lastHandledRequestedAt", s.handled_requested_at);
  json.Key("instances");
  json.BeginArray();
  for (const MemberStatus& m : s.members) WriteMember(json, m, lane);
  json.EndArray();
  WriteConditions(json, s.conditions);
  json.EndObject();
  json.EndObject();
  return std::move(json).Take();
}

}  // namespace translate
