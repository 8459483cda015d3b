// Elector: runs LeaseProtocol against a real Lease, on a connection of its own.

#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/random.h"
#include "kube/client.h"
#include "kube/lease.h"

namespace kube {

class Elector : public std::enable_shared_from_this<Elector> {
 public:
  /// `on_lead` is told each new end of our validity; Mono{} when it was lost. It runs on the
  /// transport's thread.
  using OnLead = std::function<void(base::Mono until)>;
  Elector(std::shared_ptr<const Client> client, std::string ns, std::string name,
          std::string identity, OnLead on_lead);
  void Start();
  /// Gives the Lease up and calls `done`; to be called when nothing acts any more.
  void Release(std::function<void()> done);

 private:
  void Ask();
  void Send(const LeaseProtocol::Ask& ask);
  void OnAnswer(LeaseProtocol::Kind kind, base::Result<Reply> reply, base::Mono sent);
  void Tell();
  Path LeasePath(bool with_name) const;

  std::shared_ptr<const Client> client_;
  std::string ns_;
  std::string name_;
  OnLead on_lead_;
  // On the transport's thread only.
  LeaseProtocol protocol_;
  base::Random random_;
  bool stopped_ = false;
  bool led_ = false;
  std::string last_error_;
};

/// The JSON of a Lease, and back.
std::string WriteLease(const std::string& ns, const std::string& name, const LeaseRecord& record);
base::Result<LeaseRecord> ReadLease(const std::string& body);

}  // namespace kube
