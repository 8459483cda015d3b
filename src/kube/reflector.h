// Reflector: keeps asking as WatchProtocol says and hands on what comes back, object by object.

#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/json.h"
#include "kube/client.h"
#include "kube/lines.h"
#include "kube/watch.h"

namespace kube {

/// All run on the transport's thread.
struct ReflectorHandlers {
  std::function<void()> on_reset_begin{};
  std::function<void(base::JsonValue object, bool deleted)> on_object{};
  std::function<void(const std::string& version, base::Mono sent)> on_reset_end{};
  std::function<void(const std::string& version)> on_bookmark{};
  std::function<void(const char* reason, const base::Error* error)> on_restart{};
  /// Asked after each piece; kPause holds the stream back until Resume.
  std::function<http::Flow()> pressure{};
};

/// Thread-safe. It runs from Start to Stop.
class Reflector : public std::enable_shared_from_this<Reflector> {
 public:
  Reflector(std::shared_ptr<const Client> client, Path path, ReflectorHandlers handlers,
            uint64_t seed);
  void Start();
  void Stop();
  /// The view is wrong: list anew.
  void Relist();
  void Resume();

 private:
  void Begin();
  void BeginList(const Ask& ask);
  void BeginWatch(const Ask& ask);
  http::Flow OnBytes(std::string_view bytes);
  bool OnLine(std::string_view line);
  void OnPage(const std::string& body);
  void OnEnd(const base::Error* error);

  std::shared_ptr<const Client> client_;
  Path path_;
  ReflectorHandlers handlers_;
  base::Random random_;
  // On the transport's thread only.
  WatchProtocol protocol_;
  base::JsonDocument json_;
  LineSplitter lines_;
  std::shared_ptr<http::Call> call_;
  base::Mono began_{};
  base::Mono list_sent_{};
  bool ended_early_ = false;
  bool relist_ = false;
  bool stopped_ = false;
  int http_status_ = 0;
  std::string error_body_;
};

}  // namespace kube
