// The list-and-watch protocol as a pure state machine: what to ask for next, and what a frame, a
// page or an end means. Lists are always consistent reads (no resourceVersion), and a watch goes on
// only from versions that were seen, so a view never travels back in time.

#pragma once

#include <string>
#include <string_view>

#include "base/backoff.h"
#include "base/json.h"
#include "base/result.h"

namespace kube {

/// The next request of one watched resource.
struct Ask {
  bool watch = false;
  bool initial = false;  // a list follows, as a stream or in pages
  std::string query{};
  base::Millis deadline{0};
  base::Millis idle{0};
};

/// What matters of one frame of a watch.
struct Frame {
  std::string_view type{};     // ADDED, MODIFIED, DELETED, BOOKMARK, ERROR or unknown
  std::string_view version{};  // metadata.resourceVersion
  bool initial_end = false;    // annotation k8s.io/initial-events-end
  int error_code = 0;          // of an ERROR's Status
  std::string_view error_reason{};
};

/// The frame of one line; whatever is missing or of another shape reads as empty.
Frame ReadFrame(base::JsonValue root);

enum class FrameMeaning {
  kObject,      // it is there, or has changed
  kDeleted,     // it is gone
  kInitialEnd,  // the list is complete
  kBookmark,    // all up to its version has been delivered
  kEnd,         // end the stream and ask again
  kIgnore,
};

class WatchProtocol {
 public:
  explicit WatchProtocol(base::Millis timeout) : timeout_(timeout) {}

  Ask Next() const;
  FrameMeaning OnFrame(const Frame& frame);
  /// A page of a paged list; true when it was the last.
  bool OnPage(std::string_view version, std::string_view continue_token);

  struct End {
    base::Millis delay{0};    // wait so long before Next
    const char* reason = "";  // for the metric: eof, expired, error, unsupported, ...
  };
  /// The end of a request: `error` null for a clean end of the stream.
  End OnEnd(const base::Error* error, base::Millis lifetime, base::Random& random);

  bool synced() const { return phase_ == Phase::kWatching; }
  const std::string& version() const { return version_; }

 private:
  enum class Phase { kList, kPaging, kStreamingList, kWatching };
  void Relist();

  base::Millis timeout_;
  Phase phase_ = Phase::kStreamingList;
  bool streaming_supported_ = true;
  int page_size_ = 500;  // halved when an answer is too long
  std::string version_{};
  std::string continue_{};
  int64_t frames_ = 0;
  bool stream_error_ = false;
  base::Millis stream_delay_{0};
  base::Backoff backoff_{base::Millis{800}, base::Millis{30'000}};
};

}  // namespace kube
