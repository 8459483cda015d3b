#include "kube/events.h"

#include "base/json.h"

namespace kube {
namespace {
constexpr size_t kLongestNote = 1000;
constexpr const char* kGroupVersion = "cvm-retirement.dev/v1alpha1";
}  // namespace

std::string WriteEvent(const EventNote& n, const std::string& unique, const std::string& instance,
                       base::Wall now) {
  const std::string ns = n.ns.empty() ? "default" : n.ns;
  base::JsonWriter json;
  json.BeginObject();
  json.Field("apiVersion", "events.k8s.io/v1");
  json.Field("kind", "Event");
  json.Key("metadata");
  json.BeginObject();
  json.Field("name", n.name + "." + unique);
  json.Field("namespace", ns);
  json.EndObject();
  json.Field("eventTime", base::FormatMicroTime(now));
  json.Field("reportingController", "cvm-retirement.dev/operator");
  json.Field("reportingInstance", base::ClipUtf8(instance, 128));
  json.Field("action", n.action);
  json.Field("reason", n.reason);
  json.Field("type", n.warning ? "Warning" : "Normal");
  json.Field("note", base::ClipUtf8(n.note, kLongestNote));
  json.Key("regarding");
  json.BeginObject();
  json.Field("apiVersion", kGroupVersion);
  json.Field("kind", n.kind);
  json.OptionalField("namespace", n.ns);
  json.Field("name", n.name);
  json.OptionalField("uid", n.uid);
  json.EndObject();
  json.EndObject();
  return std::move(json).Take();
}

}  // namespace kube
