#include "translate/batch.h"

#include "retirement/entries.h"
#include "translate/common.h"

namespace translate {
namespace {

using namespace retirement;

constexpr const char* kAccepted = "cvm-retirement.dev/accepted";
constexpr size_t kMostOfRequestId = 64;

/// S5: who reads an entry that was made anew, before its status is written, knows of the
/// acceptance.
void WriteAcceptance(base::JsonWriter& json, const BatchObject& b) {
  if (!WasAccepted(b)) return;
  json.Key("annotations");
  json.BeginObject();
  json.Field(kAccepted, base::ClipUtf8(b.request_id, kMostOfRequestId));
  json.EndObject();
}

void ReadAcceptance(std::string_view request_id, BatchObject& b) {
  if (b.phase != BatchPhase::kIntent || request_id.empty()) return;
  b.phase = BatchPhase::kAccepted;
  b.request_id = request_id;
}

void WriteSpecMembers(base::JsonWriter& json, const BatchObject& b) {
  json.Key("members");
  json.BeginArray();
  for (const BatchMember& m : b.members) {
    json.BeginObject();
    json.Field("id", m.id.ToString());
    json.Key("request");
    json.BeginObject();
    json.Field("namespace", m.request.ns);
    json.Field("name", m.request.name);
    json.Field("uid", m.uid);
    json.EndObject();
    json.EndObject();
  }
  json.EndArray();
}

void WriteResults(base::JsonWriter& json, const BatchObject& b) {
  json.Key("members");
  json.BeginArray();
  for (const BatchMember& m : b.members) {
    if (m.result == BatchResult::kNone) continue;
    json.BeginObject();
    json.Field("id", m.id.ToString());
    json.Field("result", ToString(m.result));
    json.Field("time", base::FormatRfc3339(m.time));
    json.EndObject();
  }
  json.EndArray();
}

void ReadSpec(base::JsonValue s, BatchObject& b) {
  b.lane = {std::string(s["account"].String()), std::string(s["region"].String())};
  b.sequence = uint64_t(std::max<int64_t>(0, s["sequence"].Int().value_or(0)));
  b.charge = ChargeType(s["chargeType"].String());
  b.step = s["step"].String() == "Second" ? Step::kSecond : Step::kFirst;
  b.release_address = s["releaseAddress"].Bool().value_or(false);
  b.release_disks = s["releasePrepaidDataDisks"].Bool().value_or(false);
  b.dry_run = s["dryRun"].Bool().value_or(false);
  // An unreadable validity is taken for the longest: waiting longer is the safe side.
  b.call_validity =
      base::ParseDuration(s["callValidity"].String()).value_or(std::chrono::minutes{5});
  b.endpoint = s["endpoint"].String();
  b.credential = s["credential"].String();
  b.holder = s["holder"].String();
  b.signed_at = base::ParseRfc3339(s["signedAt"].String()).value_or(Wall{});
  s["members"].ForEach([&](base::JsonValue m) {
    const base::JsonValue r = m["request"];
    const auto id = InstanceId::Parse(m["id"].String());
    if (!id) return;
    b.members.push_back({*id,
                         {std::string(r["namespace"].String()), std::string(r["name"].String())},
                         std::string(r["uid"].String()),
                         BatchResult::kNone,
                         {}});
  });
}

void ReadStatus(base::JsonValue s, BatchObject& b) {
  std::vector<std::string> ignored;
  b.phase = ParseBatchPhase(s["phase"].String()).value_or(BatchPhase::kIntent);
  b.request_id = s["requestId"].String();
  b.error_code = s["errorCode"].String();
  b.error_message = s["errorMessage"].String();
  b.answered = ReadTime(s["answeredTime"], "", ignored);
  b.verified = ReadTime(s["verifiedTime"], "", ignored);
  s["members"].ForEach([&](base::JsonValue m) {
    const auto id = InstanceId::Parse(m["id"].String());
    for (BatchMember& member : b.members) {
      if (!id || member.id != *id) continue;
      member.result = ParseBatchResult(m["result"].String()).value_or(BatchResult::kUnknown);
      member.time = base::ParseRfc3339(m["time"].String()).value_or(Wall{});
    }
  });
}

}  // namespace

std::string WriteBatch(const BatchObject& b) {
  base::JsonWriter json;
  json.BeginObject();
  json.Field("apiVersion", "cvm-retirement.dev/v1alpha1");
  json.Field("kind", "RetirementBatch");
  json.Key("metadata");
  json.BeginObject();
  json.Field("name", BatchName(b.lane, b.sequence));
  json.Key("labels");
  json.BeginObject();
  json.Field("cvm-retirement.dev/account", b.lane.account);
  json.Field("cvm-retirement.dev/region", b.lane.region);
  json.EndObject();
  WriteAcceptance(json, b);
  json.EndObject();
  json.Key("spec");
  json.BeginObject();
  json.Field("account", b.lane.account);
  json.Field("region", b.lane.region);
  json.Field("sequence", int64_t(b.sequence));
  json.Field("chargeType", b.charge.view());
  json.Field("step", ToString(b.step));
  json.Field("releaseAddress", b.release_address);
  json.Field("releasePrepaidDataDisks", b.release_disks);
  if (b.dry_run) json.Field("dryRun", true);
  json.Field("callValidity", base::FormatDuration(b.call_validity));
  json.Field("endpoint", b.endpoint);
  json.Field("credential", b.credential);
  json.Field("holder", b.holder);
  json.Field("signedAt", base::FormatRfc3339(b.signed_at));
  WriteSpecMembers(json, b);
  json.EndObject();
  json.EndObject();
  return std::move(json).Take();
}

std::string WriteBatchStatus(const BatchObject& b) {
  base::JsonWriter json;
  BeginStatusPatch(json, b.version);
  json.Field("phase", ToString(b.phase));
  json.NullableField("requestId", base::ClipUtf8(b.request_id, kMostOfRequestId));
  json.NullableField("errorCode", base::ClipUtf8(b.error_code, 128));
  json.NullableField("errorMessage", base::ClipUtf8(b.error_message, 1024));
  WriteTime(json, "answeredTime", b.answered);
  WriteTime(json, "verifiedTime", b.verified);
  WriteResults(json, b);
  json.EndObject();
  json.EndObject();
  return std::move(json).Take();
}

base::Result<BatchObject> ReadBatch(base::JsonValue object) {
  BatchObject b;
  ReadSpec(object["spec"], b);
  ReadStatus(object["status"], b);
  b.version = object["metadata"]["resourceVersion"].String();
  const base::JsonValue annotations = object["metadata"]["annotations"];
  b.close = annotations["cvm-retirement.dev/close"].String();
  ReadAcceptance(annotations[kAccepted].String(), b);
  const std::string_view name = object["metadata"]["name"].String();
  if (b.sequence == 0 || SequenceOf(name, b.lane) != b.sequence ||
      b.members.size() != object["spec"]["members"].Size() || b.members.empty()) {
    return base::Error{.code = base::Code::kInternal,
                       .message = "RetirementBatch \"" + std::string(name) +
                                  "\" was not written by this operator"};
  }
  return b;
}

}  // namespace translate
