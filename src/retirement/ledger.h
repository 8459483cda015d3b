// Ledger: the write-ahead log of one lane. Every call is an entry that was committed before it.

#pragma once

#include <map>
#include <optional>
#include <vector>

#include "retirement/action.h"
#include "retirement/packer.h"
#include "retirement/target.h"

namespace retirement {

enum class Stage : uint8_t {
  kDraft,       // packed, has no number yet; may wait for its confirmation
  kConfirming,  // its requests are being read live
  kCommitting,  // being created
  kReady,       // committed, may be called
  kCalling,     // the call is in flight
  kCalled,      // the call has ended, or may have: its members are being observed
  kClosed,      // nothing is open but its record
};

struct Entry {
  BatchObject object{};
  CallOptions
      options{};  // of the account when it was packed: it is called with these or not at all
  PackKey key{};
  Stage stage = Stage::kDraft;
  std::vector<Target*> targets{};  // in the order of object.members
  Mono fresh_until{};              // the sights of all members justify a call until then
  Mono committed_at{};
  Mono sent_at{};       // the last attempt
  Mono confirmed_at{};  // when the live read that confirmed its requests was sent
  uint64_t confirm_token = 0;
  Mono call_after{};     // wait after a throttled or failed attempt
  int sends = 0;         // attempts that may have left this machine
  uint64_t epoch = 0;    // of the last list that had it
  bool overdue = false;  // told that a person is needed
  bool dirty = false;    // the record says less than we know
  bool recording = false;
  bool ended = false;      // in the log, by somebody else if not by us
  bool deleted = false;    // by hand, after its end
  bool shown = false;      // by the watch, before its creation was answered
  bool unwritten = false;  // deleted by hand, and not written again, status and all
  Mono record_after{};
  int failed_records = 0;                  // in a row
  std::shared_ptr<const Origin> origin{};  // made when its members need it
};

/// What is kept of a closed entry, for its deletion.
struct Closed {
  Wall end{};
  bool effect = false;    // it did something, or may have
  bool accepted = false;  // its call was
  Mono learnt{};
  uint64_t epoch = 0;  // of the last list that had it
  Mono asked{};        // when its deletion was asked for
};

// A number has ten digits in a name.
inline constexpr uint64_t kLastSequence = 9'999'999'999;
// A status never leads the log by more: commits of which the record was lost.
inline constexpr uint64_t kMostAhead = 8;

/// Sequential commits: at most one draft; then open entries by number; then the closed ones, of
/// which only the time is kept, for their deletion.
struct Ledger {
  std::optional<Entry> draft{};
  std::map<uint64_t, Entry> open{};
  std::map<uint64_t, Closed> closed{};
  uint64_t highest = 0;  // the largest number seen in the log
  uint64_t named = 0;    // the largest that a status names, and that the log may have had
  int futile = 0;        // E0: commits in a row that no accepted call followed
  Mono commit_after{};
  uint64_t reading = 0;  // an entry of somebody else that must be read before the next commit

  size_t Uncalled() const;
};

inline size_t Ledger::Uncalled() const {
  size_t count = draft ? 1 : 0;
  for (const auto& [sequence, entry] : open) count += entry.stage == Stage::kReady;
  return count;
}

}  // namespace retirement
