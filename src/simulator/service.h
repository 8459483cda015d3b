// Service: the cloud model behind the API's wire format, with an admin endpoint for faults and the
// call log.

#pragma once

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/random.h"
#include "http/server.h"
#include "simulator/cloud.h"
#include "simulator/faults.h"
#include "simulator/seed.h"
#include "simulator/verify.h"

namespace simulator {

/// Thread-safe.
class Service : private Nature {
 public:
  Service(Seed seed, uint64_t random_seed);
  http::ServerResponse Handle(const http::ServerRequest& request, base::Now now);

 private:
  struct LogEntry {
    base::Wall time{};
    std::string action{};
    std::string region{};
    std::string client{};
    std::string secret_id{};
    std::string method{};
    std::string target{};
    std::string request_id{};
    std::string code{};  // "" for success
    bool dry_run = false;
    bool executed = false;
    bool answered = true;
    std::vector<std::string> ids{};
  };
  struct Window {
    int64_t second = 0;
    int calls = 0;
  };

  base::Millis EffectDelay() override;
  base::Millis DescribeLag() override { return seed_.describe_lag; }
  bool NamesOffenders() override { return seed_.names_offenders; }

  http::ServerResponse Api(const http::ServerRequest& request, base::Now now);
  http::ServerResponse Answer(const ApiCall& call, LogEntry& entry, base::Now now);
  http::ServerResponse Dispatch(const ApiCall& call, LogEntry& entry, base::Now now);
  http::ServerResponse Terminate(const ApiCall& call, LogEntry& entry, base::Now now);
  Reply DryRun(const TerminateRequest& request, base::Now now);
  http::ServerResponse Describe(const ApiCall& call, LogEntry& entry, base::Now now);
  http::ServerResponse WithFault(const Fault& fault, const ApiCall& call, LogEntry& entry,
                                 base::Now now);
  bool IsThrottled(const ApiCall& call, base::Now now, std::string& message);
  std::string NewRequestId();

  http::ServerResponse Admin(const http::ServerRequest& request, base::Now now);
  http::ServerResponse AddFault(const std::string& body);
  http::ServerResponse ChangeInstance(const std::string& body, base::Now now);
  std::string CallsJson() const;
  std::string InstancesJson(base::Now now);

  std::mutex mutex_;
  Seed seed_;
  base::Random random_;
  Cloud cloud_;
  FaultPlan faults_;
  std::map<std::string, Window> windows_;
  std::vector<LogEntry> log_;
};

}  // namespace simulator
