#include "kube/reflector.h"

#include "base/clock.h"

namespace kube {
namespace {

constexpr size_t kLongestFrame = 8u << 20;

/// Uniform in [240 s, 300 s), so that watches do not all end at once.
base::Millis WatchTimeout(base::Random& random) {
  return base::Millis{240'000 + int64_t(random.Below(60)) * 1000};
}

}  // namespace

Reflector::Reflector(std::shared_ptr<const Client> client, Path path, ReflectorHandlers handlers,
                     uint64_t seed)
    : client_(std::move(client)),
      path_(std::move(path)),
      handlers_(std::move(handlers)),
      random_(seed),
      protocol_(WatchTimeout(random_)),
      lines_(kLongestFrame) {}

void Reflector::Start() {
  http::RunAfter(base::Millis{0}, [self = shared_from_this()] { self->Begin(); });
}

void Reflector::Stop() {
  http::RunAfter(base::Millis{0}, [self = shared_from_this()] {
    self->stopped_ = true;
    if (self->call_) self->call_->Cancel();
  });
}

void Reflector::Relist() {
  http::RunAfter(base::Millis{0}, [self = shared_from_this()] {
    self->relist_ = true;
    if (self->call_) self->call_->Cancel();
  });
}

void Reflector::Resume() {
  http::RunAfter(base::Millis{0}, [self = shared_from_this()] {
    if (self->call_) self->call_->Resume();
  });
}

void Reflector::Begin() {
  if (stopped_) return;
  if (std::exchange(relist_, false)) protocol_ = WatchProtocol(WatchTimeout(random_));
  const Ask ask = protocol_.Next();
  began_ = base::MonoNow();
  ended_early_ = false;
  http_status_ = 0;
  error_body_.clear();
  lines_.Reset();
  if (ask.initial) list_sent_ = began_;
  ask.watch ? BeginWatch(ask) : BeginList(ask);
}

void Reflector::BeginList(const Ask& ask) {
  http::Handlers handlers;
  handlers.on_done = [self = shared_from_this(), ask](base::Result<http::Response> exchange) {
    if (!exchange) return self->OnEnd(&exchange.error());
    if (exchange->status != 200) {
      const base::Error error = ErrorOf(*exchange);
      return self->OnEnd(&error);
    }
    if (ask.initial) self->handlers_.on_reset_begin();
    self->OnPage(exchange->body);
  };
  call_ = client_->Stream({path_, ask.query, ask.deadline, ask.idle}, std::move(handlers));
}

void Reflector::OnPage(const std::string& body) {
  const auto root = json_.Parse(body);
  if (!root) return OnEnd(&root.error());
  (*root)["items"].ForEach([this](base::JsonValue object) { handlers_.on_object(object, false); });
  const base::JsonValue metadata = (*root)["metadata"];
  const std::string version(metadata["resourceVersion"].String());
  if (protocol_.OnPage(version, metadata["continue"].String())) {
    handlers_.on_reset_end(version, list_sent_);
  }
  Begin();
}

void Reflector::BeginWatch(const Ask& ask) {
  auto self = shared_from_this();
  http::Handlers handlers;
  handlers.on_headers = [self, ask](const http::Response& response) {
    self->http_status_ = response.status;
    if (response.status == 200 && ask.initial) self->handlers_.on_reset_begin();
  };
  handlers.on_bytes = [self](std::string_view bytes) { return self->OnBytes(bytes); };
  handlers.on_done = [self](base::Result<http::Response> exchange) {
    if (self->ended_early_) return self->OnEnd(nullptr);
    if (!exchange) return self->OnEnd(&exchange.error());
    if (exchange->status == 200) return self->OnEnd(nullptr);
    exchange->body = self->error_body_;
    const base::Error error = ErrorOf(*exchange);
    self->OnEnd(&error);
  };
  call_ = client_->Stream({path_, ask.query, ask.deadline, ask.idle}, std::move(handlers));
}

http::Flow Reflector::OnBytes(std::string_view bytes) {
  if (ended_early_ || stopped_) return http::Flow::kContinue;
  if (http_status_ != 200) {
    error_body_ += bytes.substr(0, 4096);
    return http::Flow::kContinue;
  }
  if (!lines_.Feed(bytes, [this](std::string_view line) { return OnLine(line); })) {
    ended_early_ = true;
    call_->Cancel();
    return http::Flow::kContinue;
  }
  return handlers_.pressure ? handlers_.pressure() : http::Flow::kContinue;
}

bool Reflector::OnLine(std::string_view line) {
  const auto root = json_.Parse(line);
  if (!root) return false;
  switch (protocol_.OnFrame(ReadFrame(*root))) {
    case FrameMeaning::kObject:
      handlers_.on_object((*root)["object"], false);
      return true;
    case FrameMeaning::kDeleted:
      handlers_.on_object((*root)["object"], true);
      return true;
    case FrameMeaning::kInitialEnd:
      handlers_.on_reset_end(protocol_.version(), list_sent_);
      return true;
    case FrameMeaning::kBookmark:
      handlers_.on_bookmark(protocol_.version());
      return true;
    case FrameMeaning::kIgnore:
      return true;
    case FrameMeaning::kEnd:
      return false;
  }
  __builtin_unreachable();
}

void Reflector::OnEnd(const base::Error* error) {
  call_.reset();
  if (stopped_) return;
  if (relist_) {
    handlers_.on_restart("view differs", nullptr);
    return Begin();
  }
  const auto end = protocol_.OnEnd(error, base::MonoNow() - began_, random_);
  handlers_.on_restart(end.reason, error);
  http::RunAfter(end.delay, [self = shared_from_this()] { self->Begin(); });
}

}  // namespace kube
