#include "controller/kube_executor.h"

#include <algorithm>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/random.h"
#include "kube/elector.h"
#include "kube/events.h"
#include "retirement/durations.h"
#include "translate/account.h"
#include "translate/batch.h"
#include "translate/request.h"

namespace controller {
namespace {

using namespace retirement;
using base::Code;

// Bounded in flight, not by a rate of our own; the log's writes keep four places to themselves.
constexpr size_t kMostInFlight = 16;
constexpr size_t kMostOthers = 12;
constexpr Millis kRetry{1'000};
constexpr Millis kPatience{30'000};  // with a commit of which nobody knows whether it was made
constexpr Millis kLeaseSilence = minutes{5};
constexpr const char* kGroup = "cvm-retirement.dev/v1alpha1";

kube::Path RequestPath(const RequestKey& key, const char* subresource) {
  return {kGroup, key.ns, "instanceretirements", key.name, subresource};
}
kube::Path AccountPath(const std::string& name, const char* subresource) {
  return {kGroup, "", "cloudaccounts", name, subresource};
}
kube::Path BatchPath(const Lane& lane, uint64_t sequence, const char* subresource) {
  return {kGroup, "", "retirementbatches", BatchName(lane, sequence), subresource};
}

std::string VersionIn(const std::string& body) {
  base::JsonDocument json;
  const auto root = json.Parse(body);
  return root ? std::string((*root)["metadata"]["resourceVersion"].String()) : std::string();
}

/// Whether a stored entry is the one that we tried to create.
bool IsOurs(const BatchObject& stored, const BatchObject& tried) {
  const auto second = [](Wall t) { return std::chrono::floor<seconds>(t); };
  return stored.holder == tried.holder && second(stored.signed_at) == second(tried.signed_at) &&
         stored.step == tried.step && stored.release_address == tried.release_address &&
         stored.release_disks == tried.release_disks &&
         stored.members.size() == tried.members.size() &&
         std::equal(stored.members.begin(), stored.members.end(), tried.members.begin(),
                    [](const BatchMember& a, const BatchMember& b) {
                      return a.id == b.id && a.uid == b.uid;
                    });
}

base::Result<BatchObject> ParseBatch(const std::string& body) {
  base::JsonDocument json;
  const auto root = json.Parse(body);
  if (!root) return root.error();
  return translate::ReadBatch(*root);
}

const char* KindOf(Announce::About kind) {
  switch (kind) {
    case Announce::About::kRequest:
      return "InstanceRetirement";
    case Announce::About::kAccount:
      return "CloudAccount";
    case Announce::About::kBatch:
      return "RetirementBatch";
  }
  __builtin_unreachable();
}

/// Gathers the live reads of one Confirm.
struct Gathering {
  Confirmed event;
  size_t open = 0;
  std::mutex mutex;
};

}  // namespace

KubeExecutor::KubeExecutor(std::shared_ptr<const kube::Client> client, Inbox& inbox,
                           std::string instance)
    : client_(std::move(client)), inbox_(inbox), instance_(std::move(instance)) {}

void KubeExecutor::Run(Class job_class, Job job) {
  {
    const std::lock_guard lock(mutex_);
    (job_class == Class::kLog ? log_jobs_ : other_jobs_).push_back(std::move(job));
  }
  StartNext();
}

void KubeExecutor::StartNext() {
  while (true) {
    Job job;
    Class job_class = Class::kLog;
    {
      const std::lock_guard lock(mutex_);
      if (in_flight_ >= kMostInFlight) return;
      auto* queue = &log_jobs_;
      if (log_jobs_.empty()) {
        if (other_jobs_.empty() || others_in_flight_ >= kMostOthers) return;
        queue = &other_jobs_;
        job_class = Class::kOther;
        ++others_in_flight_;
      }
      job = std::move(queue->front());
      queue->pop_front();
      ++in_flight_;
    }
    job([self = shared_from_this(), job_class] { self->OnDone(job_class); });
  }
}

void KubeExecutor::OnDone(Class job_class) {
  {
    const std::lock_guard lock(mutex_);
    --in_flight_;
    if (job_class == Class::kOther) --others_in_flight_;
  }
  StartNext();
}

void KubeExecutor::Repeat(Class job_class, const base::Error& error, Job job) {
  http::RunAfter(error.retry_after.value_or(kRetry),
                 [self = shared_from_this(), job_class, job] { self->Run(job_class, job); });
}

void KubeExecutor::Do(const Confirm& action) {
  auto gathering = std::make_shared<Gathering>();
  gathering->event.token = action.token;
  gathering->event.sent = base::MonoNow();
  gathering->event.complete = true;
  gathering->open = action.requests.size() + (action.account.empty() ? 0 : 1);
  const auto add = [self = shared_from_this(), gathering](const auto& take) {
    const std::lock_guard lock(gathering->mutex);
    take(gathering->event);
    if (--gathering->open == 0) self->inbox_.Push(std::move(gathering->event));
  };
  const auto read = [this, add](const kube::Path& path, const auto& found) {
    // A call waits for it: it does not queue behind statuses.
    Run(Class::kLog, [self = shared_from_this(), path, add, found](Done done) {
      self->client_->GetMetadata(path, [add, found, done](base::Result<kube::Reply> reply, Mono) {
        add([&](Confirmed& event) { found(event, reply); });
        done();
      });
    });
  };
  for (const RequestKey& key : action.requests) {
    read(RequestPath(key, ""), [key](Confirmed& event, const base::Result<kube::Reply>& reply) {
      base::JsonDocument json;
      const bool gone = !reply && reply.error().code == Code::kNotFound;
      const auto root =
          reply ? json.Parse(reply->body) : base::Result<base::JsonValue>(reply.error());
      if (root) event.requests.push_back(translate::ReadLiveRequest(key, *root));
      if (gone) event.requests.push_back({key, false, "", 0, false, "", ""});
      event.complete = event.complete && (root || gone);
    });
  }
  if (action.account.empty()) return;
  read(AccountPath(action.account, ""),
       [name = action.account](Confirmed& event, const base::Result<kube::Reply>& reply) {
         base::JsonDocument json;
         const bool gone = !reply && reply.error().code == Code::kNotFound;
         const auto root =
             reply ? json.Parse(reply->body) : base::Result<base::JsonValue>(reply.error());
         event.complete = event.complete && (root || gone);
         if (root || gone) event.account = LiveAccount{name, false, "", 0, ""};
         if (!root) return;
         event.account->found = true;
         event.account->uid = (*root)["metadata"]["uid"].String();
         event.account->generation = (*root)["metadata"]["generation"].Int().value_or(0);
         event.account->version = (*root)["metadata"]["resourceVersion"].String();
       });
}

void KubeExecutor::Do(const Commit& action) {
  const Attempt attempt{action, base::MonoNow()};
  Run(Class::kLog,
      [self = shared_from_this(), attempt](Done done) { self->Create(attempt, done); });
}

/// T1: whoever waits is told. Should it be created after all, the watch shows an entry that may
/// have been called (S3).
void KubeExecutor::GiveUp(const Attempt& attempt, const base::Error& error) {
  const BatchObject& batch = attempt.action.batch;
  base::LogError("RetirementBatch could not be created",
                 {{"batch", BatchName(batch.lane, batch.sequence)}, {"error", error.message}});
  Committed event{batch.lane, batch.sequence, Committed::Outcome::kFailed, "", error.message};
  if (error.code == Code::kInvalidArgument) event.outcome = Committed::Outcome::kInvalid;
  event.retry_after = error.retry_after.value_or(Millis{0});
  inbox_.Push(event);
}

void KubeExecutor::Create(const Attempt& attempt, Done done) {
  const BatchObject& batch = attempt.action.batch;
  kube::Path path = BatchPath(batch.lane, 0, "");
  path.name.clear();
  client_->Create(
      path, translate::WriteBatch(batch),
      [self = shared_from_this(), attempt, done](base::Result<kube::Reply> reply, Mono) {
        const BatchObject& b = attempt.action.batch;
        if (reply) {
          self->inbox_.Push(Committed{b.lane, b.sequence, Committed::Outcome::kCreated,
                                      VersionIn(reply->body), ""});
          return done();
        }
        // Unclear, or there already: perhaps by ourselves.
        const Code code = reply.error().code;
        if (code == Code::kDeadlineExceeded || code == Code::kAlreadyExists) {
          return self->Settle(attempt, done);
        }
        const bool patient = base::MonoNow() < attempt.since + kPatience;
        if (code == Code::kResourceExhausted && patient) {
          self->Repeat(Class::kLog, reply.error(),
                       [self, attempt](Done again) { self->Create(attempt, again); });
        } else {
          self->GiveUp(attempt, reply.error());
        }
        done();
      });
}

void KubeExecutor::Settle(const Attempt& attempt, Done done) {
  const BatchObject& batch = attempt.action.batch;
  client_->Get(
      BatchPath(batch.lane, batch.sequence, ""),
      [self = shared_from_this(), attempt, done](base::Result<kube::Reply> reply, Mono) {
        const BatchObject& b = attempt.action.batch;
        const bool patient = base::MonoNow() < attempt.since + kPatience;
        if (reply) {
          const auto stored = ParseBatch(reply->body);
          const bool ours = stored && IsOurs(*stored, b);
          self->inbox_.Push(Committed{
              b.lane, b.sequence, ours ? Committed::Outcome::kCreated : Committed::Outcome::kExists,
              ours ? stored->version : "", ""});
        } else if (reply.error().code == Code::kNotFound && patient) {
          return self->Create(attempt, done);
        } else if (reply.error().code == Code::kNotFound) {
          self->GiveUp(attempt, {.code = Code::kDeadlineExceeded,
                                 .message = "its creation was not answered for half a minute"});
        } else if (!patient) {
          self->GiveUp(attempt, reply.error());
        } else {
          self->Repeat(Class::kLog, reply.error(),
                       [self, attempt](Done again) { self->Settle(attempt, again); });
        }
        done();
      });
}

void KubeExecutor::Do(const retirement::ReadBatch& action) {
  Run(Class::kLog, [self = shared_from_this(), action](Done done) {
    self->client_->Get(BatchPath(action.lane, action.sequence, ""),
                       [self, action, done](base::Result<kube::Reply> reply, Mono) {
                         const auto batch = reply ? ParseBatch(reply->body)
                                                  : base::Result<BatchObject>(reply.error());
                         if (batch) {
                           self->inbox_.Push(BatchSeen{*batch, true});
                         } else if (batch.error().code == Code::kNotFound ||
                                    batch.error().code == Code::kInternal) {
                           // Gone, or nothing that an operator wrote.
                           self->inbox_.Push(BatchGone{action.lane, action.sequence});
                         } else {
                           // Nothing of its lane is committed before it has been read.
                           http::RunAfter(kRetry, [self, action] { self->Do(action); });
                         }
                         done();
                       });
  });
}

void KubeExecutor::Do(const Record& action) {
  Run(Class::kLog, [self = shared_from_this(), action](Done done) {
    const BatchObject& b = action.batch;
    self->client_->MergePatch(
        BatchPath(b.lane, b.sequence, "status"), translate::WriteBatchStatus(b),
        [self, lane = b.lane, sequence = b.sequence, done](base::Result<kube::Reply> reply,
                                                           Mono sent) {
          Recorded event{lane, sequence, bool(reply), false, false, "", sent};
          if (reply) event.version = VersionIn(reply->body);
          if (!reply) {
            event.conflict = reply.error().code == Code::kAborted;
            event.missing = reply.error().code == Code::kNotFound;
            event.retry_after = reply.error().retry_after.value_or(Millis{0});
            base::LogWarning(
                "RetirementBatch status not written; trying again",
                {{"batch", BatchName(lane, sequence)}, {"error", reply.error().message}});
          }
          self->inbox_.Push(event);
          done();
        });
  });
}

void KubeExecutor::Do(const DeleteBatch& action) {
  Run(Class::kOther, [self = shared_from_this(), action](Done done) {
    self->client_->Delete(BatchPath(action.lane, action.sequence, ""),
                          [done](base::Result<kube::Reply>, Mono) { done(); });
  });
}

void KubeExecutor::Do(const WriteStatus& action, const Lane& lane) {
  auto body = std::make_shared<const std::string>(
      translate::WriteRequestStatus(action.version, action.status, lane));
  Run(Class::kOther, [self = shared_from_this(), key = action.key, body](Done done) {
    self->PatchStatus({Kind::kRequest, key, RequestPath(key, "status"), body}, done);
  });
}

void KubeExecutor::Do(const WriteAccountStatus& action) {
  auto body = std::make_shared<const std::string>(
      translate::WriteAccountStatus(action.version, action.status));
  Run(Class::kOther, [self = shared_from_this(), name = action.name, body](Done done) {
    self->PatchStatus({Kind::kAccount, {"", name}, AccountPath(name, "status"), body}, done);
  });
}

/// A server that asks to wait (429) is asked again when it wishes: every status names its version,
/// so a late one changes nothing.
void KubeExecutor::PatchStatus(const StatusPatch& patch, Done done) {
  client_->MergePatch(
      patch.path, *patch.body,
      [self = shared_from_this(), patch, done](base::Result<kube::Reply> reply, Mono sent) {
        StatusWritten event{patch.kind, patch.key, bool(reply), false, "", sent};
        if (reply) {
          event.version = VersionIn(reply->body);
        } else if (reply.error().code == Code::kResourceExhausted) {
          self->Repeat(Class::kOther, reply.error(),
                       [self, patch](Done again) { self->PatchStatus(patch, again); });
          return done();
        } else {
          const Code code = reply.error().code;
          event.conflict = code == Code::kAborted || code == Code::kNotFound;
          event.invalid = code == Code::kInvalidArgument;
          if (!event.conflict) {
            base::LogWarning("Status not written; trying again",
                             {{"object", patch.path.ToString()}, {"error", reply.error().message}});
          }
        }
        self->inbox_.Push(event);
        done();
      });
}

void KubeExecutor::Do(const Announce& action) {
  const kube::EventNote note{KindOf(action.kind), action.about.ns, action.about.name, action.uid,
                             action.warning,      action.reason,   "Retire",          action.note};
  Run(Class::kOther, [self = shared_from_this(), note](Done done) {
    const std::string ns = note.ns.empty() ? "default" : note.ns;
    self->client_->Create({"events.k8s.io/v1", ns, "events", "", ""},
                          kube::WriteEvent(note, base::RandomHex32().substr(0, 16), self->instance_,
                                           base::ReadClock().wall),
                          [done](base::Result<kube::Reply>, Mono) { done(); });
  });
}

bool KubeExecutor::LeaseIsAlive(const std::string& ns, const base::Result<kube::Reply>& reply) {
  if (!reply) return reply.error().code != Code::kNotFound;
  const auto record = kube::ReadLease(reply->body);
  if (!record) return true;
  const std::string renewed = base::FormatMicroTime(record->renewed);
  const std::lock_guard lock(mutex_);
  LeaseSight& sight = leases_[ns];
  if (sight.renewed != renewed) sight = {renewed, base::MonoNow()};
  return base::MonoNow() - sight.since < kLeaseSilence;
}

void KubeExecutor::Do(const retirement::ReadLease& action) {
  Run(Class::kOther, [self = shared_from_this(), action](Done done) {
    self->client_->Get(
        {"coordination.k8s.io/v1", action.ns, "leases", "cvm-retirement-operator", ""},
        [self, action, done](base::Result<kube::Reply> reply, Mono) {
          self->inbox_.Push(
              LeaseSeen{action.account, action.ns, self->LeaseIsAlive(action.ns, reply)});
          done();
        });
  });
}

}  // namespace controller
