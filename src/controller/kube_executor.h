// KubeExecutor: runs the engine's actions against the kube-apiserver, a bounded number at a time.

#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "controller/inbox.h"
#include "kube/client.h"
#include "retirement/action.h"

namespace controller {

/// Each action comes back through the inbox as its event. Thread-safe.
class KubeExecutor : public std::enable_shared_from_this<KubeExecutor> {
 public:
  KubeExecutor(std::shared_ptr<const kube::Client> client, Inbox& inbox, std::string instance);

  void Do(const retirement::Confirm& action);
  void Do(const retirement::Commit& action);
  void Do(const retirement::ReadBatch& action);
  void Do(const retirement::Record& action);
  void Do(const retirement::DeleteBatch& action);
  void Do(const retirement::WriteStatus& action, const retirement::Lane& lane);
  void Do(const retirement::WriteAccountStatus& action);
  void Do(const retirement::Announce& action);
  void Do(const retirement::ReadLease& action);

 private:
  /// A request under way calls this when it has ended.
  using Done = std::function<void()>;
  using Job = std::function<void(Done)>;
  enum class Class { kLog, kOther };
  struct LeaseSight {
    std::string renewed;
    base::Mono since{};
  };

  void Run(Class job_class, Job job);
  void StartNext();
  void OnDone(Class job_class);
  /// A refusal by overload is repeated after what the server asks for; everything else is final.
  void Repeat(Class job_class, const base::Error& error, Job job);
  /// A commit, since when it is tried: it has no answer for so long only.
  struct Attempt {
    retirement::Commit action;
    base::Mono since{};
  };
  void Create(const Attempt& attempt, Done done);
  void Settle(const Attempt& attempt, Done done);
  void GiveUp(const Attempt& attempt, const base::Error& error);
  struct StatusPatch {
    retirement::Kind kind;
    retirement::RequestKey key;
    kube::Path path;
    std::shared_ptr<const std::string> body;
  };
  void PatchStatus(const StatusPatch& patch, Done done);
  bool LeaseIsAlive(const std::string& ns, const base::Result<kube::Reply>& reply);

  std::shared_ptr<const kube::Client> client_;
  Inbox& inbox_;
  const std::string instance_;
  std::mutex mutex_;
  std::deque<Job> log_jobs_;
  std::deque<Job> other_jobs_;
  size_t in_flight_ = 0;
  size_t others_in_flight_ = 0;
  std::map<std::string, LeaseSight> leases_;
};

}  // namespace controller
