#include "controller/metrics.h"

#include <dirent.h>
#include <prometheus/text_serializer.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <ctime>

namespace controller {
namespace {

const prometheus::Histogram::BucketBoundaries kSeconds = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25,
                                                          0.5,   1,    2.5,   5,    10,  30};
const prometheus::Histogram::BucketBoundaries kSizes = {1, 2, 5, 10, 20, 40, 60, 80, 99, 100};
const prometheus::Histogram::BucketBoundaries kLatencies = {1,   5,   10,   30,   60,   120,
                                                            300, 600, 1800, 3600, 86400};

prometheus::Labels LaneLabels(const retirement::Lane& lane) {
  return {{"account", lane.account}, {"region", lane.region}};
}

prometheus::Labels With(prometheus::Labels labels, const char* name, const std::string& value) {
  labels[name] = value;
  return labels;
}

/// The second and first number of /proc/self/statm: resident and virtual pages.
void ReadMemory(double& resident, double& virtual_size) {
  long pages_virtual = 0;
  long pages_resident = 0;
  if (std::FILE* file = std::fopen("/proc/self/statm", "r")) {
    if (std::fscanf(file, "%ld %ld", &pages_virtual, &pages_resident) != 2) pages_virtual = 0;
    std::fclose(file);
  }
  const double page = double(sysconf(_SC_PAGESIZE));
  resident = double(pages_resident) * page;
  virtual_size = double(pages_virtual) * page;
}

double CountOpenFiles() {
  double count = 0;
  if (DIR* directory = opendir("/proc/self/fd")) {
    while (readdir(directory) != nullptr) ++count;
    closedir(directory);
  }
  return count > 3 ? count - 3 : 0;  // ".", ".." and the directory itself
}

double CpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) { return double(t.tv_sec) + double(t.tv_usec) / 1e6; };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double MostOpenFiles() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  return double(limit.rlim_cur);
}

const double g_start = double(std::time(nullptr));

/// The usual process metrics, in their usual form; read when asked for.
std::string ProcessText() {
  double resident = 0;
  double virtual_size = 0;
  ReadMemory(resident, virtual_size);
  struct Line {
    const char* name;
    const char* type;
    const char* help;
    double value;
  };
  const Line lines[] = {
      {"process_cpu_seconds_total", "counter", "CPU time spent.", CpuSeconds()},
      {"process_resident_memory_bytes", "gauge", "Resident memory.", resident},
      {"process_virtual_memory_bytes", "gauge", "Virtual memory.", virtual_size},
      {"process_open_fds", "gauge", "Open file descriptors.", CountOpenFiles()},
      {"process_max_fds", "gauge", "Most file descriptors allowed.", MostOpenFiles()},
      {"process_start_time_seconds", "gauge", "Start, in seconds since the epoch.", g_start}};
  std::string text;
  for (const Line& line : lines) {
    char value[64];
    std::snprintf(value, sizeof value, "%.17g", line.value);
    text += std::string("# HELP ") + line.name + " " + line.help + "\n# TYPE " + line.name + " " +
            line.type + "\n" + line.name + " " + value + "\n";
  }
  return text;
}

}  // namespace

Metrics::Counters& Metrics::CounterFamily(const char* name, const char* help) {
  return prometheus::BuildCounter()
      .Name(std::string("cvm_retirement_") + name)
      .Help(help)
      .Register(*registry_);
}
Metrics::Gauges& Metrics::GaugeFamily(const char* name, const char* help) {
  return prometheus::BuildGauge()
      .Name(std::string("cvm_retirement_") + name)
      .Help(help)
      .Register(*registry_);
}
Metrics::Histograms& Metrics::HistogramFamily(const char* name, const char* help) {
  return prometheus::BuildHistogram()
      .Name(std::string("cvm_retirement_") + name)
      .Help(help)
      .Register(*registry_);
}

Metrics::Metrics(const std::string& version, const std::string& revision)
    : registry_(std::make_shared<prometheus::Registry>()),
      api_requests_(CounterFamily("api_requests_total", "Calls to the cloud API by result code.")),
      api_seconds_(HistogramFamily("api_request_duration_seconds", "Time until an answer.")),
      api_throttled_(CounterFamily("api_throttled_total", "Calls that the cloud throttled.")),
      batch_size_(HistogramFamily("batch_size", "Instances per TerminateInstances.")),
      batches_(CounterFamily("batches_total", "Entries of the log by outcome.")),
      instances_(CounterFamily("instances_total", "Instances by final result.")),
      requests_(GaugeFamily("requests", "InstanceRetirements by phase.")),
      members_(GaugeFamily("members", "Members of InstanceRetirements by state.")),
      blocked_(GaugeFamily("blocked_members", "Blocked members by reason.")),
      queue_oldest_(GaugeFamily("queue_oldest_seconds", "Age of the oldest status not written.")),
      latency_(HistogramFamily("latency_seconds", "From acceptance to the final state.")),
      ambiguous_(CounterFamily("ambiguous_total", "Calls whose outcome was unclear.")),
      leader_(GaugeFamily("leader", "1 while this process leads.")),
      account_ready_(GaugeFamily("account_ready", "1 while a CloudAccount is ready.")),
      synced_(GaugeFamily("cache_synced", "1 once the list of a kind is complete.")),
      watch_restarts_(CounterFamily("watch_restarts_total", "Ends of watches by reason.")),
      kube_requests_(CounterFamily("kube_requests_total", "Requests to the kube-apiserver.")),
      process_(GaugeFamily("build_info", "1, with the version as labels.")) {
  process_.Add({{"version", version}, {"revision", revision}}).Set(1);
  queue_oldest_.Add({}).Set(0);
  leader_.Add({}).Set(0);
  latency_.Add({}, kLatencies);
  for (const char* action : {"DescribeInstances", "TerminateInstances"}) {
    api_seconds_.Add({{"action", action}}, kSeconds);
  }
  SetGauges({}, 0);
}

void Metrics::OnApiCall(const retirement::Lane& lane, const char* action, const std::string& code,
                        double seconds) {
  api_requests_.Add(With(With(LaneLabels(lane), "action", action), "code", code)).Increment();
  api_seconds_.Add({{"action", action}}, kSeconds).Observe(seconds);
}

void Metrics::OnThrottled(const retirement::Lane& lane, const char* action) {
  api_throttled_.Add(With(LaneLabels(lane), "action", action)).Increment();
}

void Metrics::OnTally(const retirement::Tally& t) {
  using What = retirement::Tally::What;
  switch (t.what) {
    case What::kBatch:
      return batches_.Add(With(LaneLabels(t.lane), "outcome", t.label)).Increment();
    case What::kBatchSize:
      return batch_size_.Add(LaneLabels(t.lane), kSizes).Observe(t.value);
    case What::kInstance:
      return instances_.Add(With(LaneLabels(t.lane), "result", t.label)).Increment();
    case What::kAmbiguous:
      return ambiguous_.Add(LaneLabels(t.lane)).Increment();
    case What::kLatency:
      return latency_.Add({}, kLatencies).Observe(t.value);
  }
}

void Metrics::OnKubeRequest(const kube::RequestSeenByMetrics& r) {
  kube_requests_.Add({{"verb", r.verb}, {"kind", r.plural}, {"code", std::to_string(r.code)}})
      .Increment();
}

void Metrics::OnWatchRestart(const std::string& kind, const char* reason) {
  watch_restarts_.Add({{"kind", kind}, {"reason", reason}}).Increment();
}

void Metrics::SetSynced(const std::string& kind, bool synced) {
  synced_.Add({{"kind", kind}}).Set(synced);
}

void Metrics::SetLeader(bool leader) { leader_.Add({}).Set(leader); }

void Metrics::SetAccountReady(const std::string& account, bool ready) {
  account_ready_.Add({{"account", account}}).Set(ready);
}

void Metrics::SetGauges(const retirement::Gauges& g, double queue_oldest_seconds) {
  for (size_t i = 0; i < retirement::kPhases; ++i) {
    requests_.Add({{"phase", ToString(retirement::Phase(i))}}).Set(double(g.requests[i]));
  }
  for (size_t i = 0; i < retirement::kMemberStates; ++i) {
    members_.Add({{"state", ToString(retirement::MemberState(i))}}).Set(double(g.members[i]));
  }
  for (size_t i = 1; i < retirement::kReasons; ++i) {
    blocked_.Add({{"reason", ToString(retirement::Reason(i))}}).Set(double(g.blocked[i]));
  }
  queue_oldest_.Add({}).Set(queue_oldest_seconds);
}

std::string Metrics::Serialize() const {
  return prometheus::TextSerializer().Serialize(registry_->Collect()) + ProcessText();
}

}  // namespace controller
