#include "kube/watch.h"

#include <algorithm>
#include <utility>

#include "http/message.h"

namespace kube {
namespace {

constexpr base::Millis kSlack{10'000};  // the server ends a watch at its time-out
constexpr base::Millis kListDeadline{60'000};
constexpr base::Millis kSilence{150'000};  // bookmarks come about once a minute
constexpr base::Millis kShortWatch{1'000};
constexpr base::Millis kHealthyWatch{120'000};
constexpr base::Millis kMissing{30'000};  // no such resource: the CRD is not installed

std::string Timeout(base::Millis t) {
  return std::to_string(std::chrono::duration_cast<std::chrono::seconds>(t).count());
}

}  // namespace

Frame ReadFrame(base::JsonValue root) {
  const base::JsonValue object = root["object"];
  Frame frame;
  frame.type = root["type"].String();
  frame.version = object["metadata"]["resourceVersion"].String();
  frame.initial_end =
      object["metadata"]["annotations"]["k8s.io/initial-events-end"].String() == "true";
  frame.error_code = int(object["code"].Int().value_or(0));
  frame.error_reason = object["reason"].String();
  return frame;
}

Ask WatchProtocol::Next() const {
  const std::string watch = "watch=1&allowWatchBookmarks=true&timeoutSeconds=" + Timeout(timeout_);
  const base::Millis idle = std::min(kSilence, timeout_ + kSlack);
  switch (phase_) {
    case Phase::kStreamingList:
      return {true, true,
              watch + "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&resourceVersion=",
              timeout_ + kSlack, idle};
    case Phase::kWatching:
      return {true, false, watch + "&resourceVersion=" + http::PercentEncode(version_),
              timeout_ + kSlack, idle};
    case Phase::kList:
      return {false, true, "limit=" + std::to_string(page_size_), kListDeadline, kListDeadline};
    case Phase::kPaging:
      return {false, false,
              "limit=" + std::to_string(page_size_) + "&continue=" + http::PercentEncode(continue_),
              kListDeadline, kListDeadline};
  }
  __builtin_unreachable();
}

void WatchProtocol::Relist() {
  phase_ = streaming_supported_ ? Phase::kStreamingList : Phase::kList;
  version_.clear();
  continue_.clear();
}

FrameMeaning WatchProtocol::OnFrame(const Frame& frame) {
  if (frame.type == "ERROR") {
    stream_error_ = true;
    if (frame.error_code == 410 || frame.error_reason == "Expired") {
      Relist();
    } else if (phase_ == Phase::kStreamingList && frames_ == 0) {
      streaming_supported_ = false;
      Relist();
    }
    return FrameMeaning::kEnd;
  }
  if (frame.type == "BOOKMARK") {
    ++frames_;
    if (frame.version.empty()) return FrameMeaning::kIgnore;
    if (phase_ == Phase::kStreamingList) {
      if (!frame.initial_end) return FrameMeaning::kIgnore;
      phase_ = Phase::kWatching;
      version_ = frame.version;
      return FrameMeaning::kInitialEnd;
    }
    version_ = frame.version;
    return FrameMeaning::kBookmark;
  }
  const bool deleted = frame.type == "DELETED";
  if (!deleted && frame.type != "ADDED" && frame.type != "MODIFIED") return FrameMeaning::kIgnore;
  if (frame.version.empty()) return FrameMeaning::kIgnore;
  ++frames_;
  // The versions of a streamed list come in no order: they are no place to go on from.
  if (phase_ == Phase::kWatching) version_ = frame.version;
  return deleted ? FrameMeaning::kDeleted : FrameMeaning::kObject;
}

bool WatchProtocol::OnPage(std::string_view version, std::string_view continue_token) {
  backoff_.Reset();
  if (!continue_token.empty()) {
    phase_ = Phase::kPaging;
    continue_ = continue_token;
    return false;
  }
  phase_ = Phase::kWatching;
  version_ = version;
  return true;
}

WatchProtocol::End WatchProtocol::OnEnd(const base::Error* error, base::Millis lifetime,
                                        base::Random& random) {
  const bool had_frames = std::exchange(frames_, 0) > 0;
  const bool in_stream = std::exchange(stream_error_, false);
  if (lifetime >= kHealthyWatch) backoff_.Reset();
  if (error == nullptr && !in_stream) {
    // A stream that ended before its list was complete begins anew.
    if (phase_ == Phase::kStreamingList) return {backoff_.Next(random), "incomplete list"};
    if (lifetime >= kShortWatch || had_frames) return {base::Millis{0}, "eof"};
    return {backoff_.Next(random), "short watch"};
  }
  if (error == nullptr) {
    return {phase_ == Phase::kWatching ? backoff_.Next(random) : base::Millis{100}, "stream error"};
  }
  switch (error->code) {
    case base::Code::kExpired:
      Relist();
      return {base::Millis{0}, "expired"};
    case base::Code::kInvalidArgument:
      if (phase_ == Phase::kStreamingList) {
        streaming_supported_ = false;
        Relist();
        return {base::Millis{0}, "streaming list unsupported"};
      }
      Relist();
      return {backoff_.Next(random), "refused"};
    case base::Code::kResourceExhausted:
      return {std::max(error->retry_after.value_or(base::Millis{0}), backoff_.Next(random)),
              "throttled"};
    case base::Code::kInternal:
      // Somebody's objects are large: the same page is asked for in smaller ones.
      if (phase_ != Phase::kList && phase_ != Phase::kPaging) break;
      if (page_size_ == 1) break;
      page_size_ /= 2;
      return {base::Millis{0}, "page too long"};
    case base::Code::kNotFound:
      Relist();
      return {kMissing, "not found"};
    case base::Code::kPermissionDenied:
      return {kMissing, "forbidden"};
    default:
      break;
  }
  if (phase_ == Phase::kPaging) Relist();
  return {backoff_.Next(random), "error"};
}

}  // namespace kube
