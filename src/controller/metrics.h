// Metrics: everything that /metrics shows. docs/metrics.md explains each.

#pragma once

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <memory>
#include <string>

#include "kube/client.h"
#include "retirement/action.h"
#include "retirement/gauges.h"

namespace controller {

/// Thread-safe, as prometheus-cpp's families are. No label ever holds an instance id or the name of
/// a request.
class Metrics {
 public:
  Metrics(const std::string& version, const std::string& revision);

  void OnApiCall(const retirement::Lane& lane, const char* action, const std::string& code,
                 double seconds);
  void OnThrottled(const retirement::Lane& lane, const char* action);
  void OnTally(const retirement::Tally& tally);
  void OnKubeRequest(const kube::RequestSeenByMetrics& request);
  void OnWatchRestart(const std::string& kind, const char* reason);
  void SetSynced(const std::string& kind, bool synced);
  void SetLeader(bool leader);
  void SetAccountReady(const std::string& account, bool ready);
  void SetGauges(const retirement::Gauges& gauges, double queue_oldest_seconds);

  /// The Prometheus text format.
  std::string Serialize() const;

 private:
  using Counters = prometheus::Family<prometheus::Counter>;
  using Gauges = prometheus::Family<prometheus::Gauge>;
  using Histograms = prometheus::Family<prometheus::Histogram>;
  Counters& CounterFamily(const char* name, const char* help);
  Gauges& GaugeFamily(const char* name, const char* help);
  Histograms& HistogramFamily(const char* name, const char* help);

  std::shared_ptr<prometheus::Registry> registry_;
  Counters& api_requests_;
  Histograms& api_seconds_;
  Counters& api_throttled_;
  Histograms& batch_size_;
  Counters& batches_;
  Counters& instances_;
  Gauges& requests_;
  Gauges& members_;
  Gauges& blocked_;
  Gauges& queue_oldest_;
  Histograms& latency_;
  Counters& ambiguous_;
  Gauges& leader_;
  Gauges& account_ready_;
  Gauges& synced_;
  Counters& watch_restarts_;
  Counters& kube_requests_;
  Gauges& process_;
};

}  // namespace controller
