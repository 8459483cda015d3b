// Watches: the reflectors of our three kinds, and their objects as events.

#pragma once

#include <memory>
#include <string>
#include <vector>

#include "controller/inbox.h"
#include "controller/metrics.h"
#include "kube/reflector.h"
#include "translate/account.h"

namespace controller {

class Watches {
 public:
  /// `namespaces` empty: the whole cluster.
  Watches(std::shared_ptr<const kube::Client> client, Inbox& inbox, Metrics& metrics,
          translate::EndpointPolicy endpoints, std::vector<std::string> namespaces);
  void Start();
  void Stop();
  void Relist(retirement::Kind kind);

 private:
  void Add(retirement::Stream stream);

  std::shared_ptr<const kube::Client> client_;
  Inbox& inbox_;
  Metrics& metrics_;
  const translate::EndpointPolicy endpoints_;
  struct Watch {
    retirement::Stream stream;
    std::shared_ptr<kube::Reflector> reflector;
  };
  std::vector<Watch> watches_;
};

}  // namespace controller
