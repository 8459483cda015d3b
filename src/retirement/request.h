// Request and Account: what the engine keeps of each object.

#pragma once

#include <array>
#include <map>
#include <set>

#include "retirement/durations.h"
#include "retirement/ledger.h"
#include "retirement/looks.h"
#include "retirement/pace.h"
#include "retirement/packer.h"

namespace retirement {

/// The conditions of a request, in the order in which they are written.
enum class ConditionType : uint8_t {
  kAccepted,
  kPlanned,
  kPermitted,
  kReady,
  kReconciling,
  kStalled
};
inline constexpr size_t kConditionTypes = 6;
const char* ToString(ConditionType type);

struct ConditionMemo {
  ConditionStatus status = ConditionStatus::kAbsent;
  Wall since{};
};

/// Why a request may not go on: a reason of the API, and a sentence for people.
struct Holdup {
  std::string reason{};  // "" for none
  std::string message{};
  std::optional<Wall> until{};  // when a time ends it
  bool needs_person = false;    // nothing heals it by itself
  bool account_wide = false;
  bool told_only = false;  // it is told and holds nothing back: a try must be made to see its end
};

/// Of trouble that an earlier process found.
inline constexpr const char* kAnyRegion = "";

/// What of an account fails, see trouble.h.
struct Trouble {
  std::string reason{};
  std::string message{};
  bool of_account = true;  // or it is about instances; the account is served all the same
  Mono since{};
  Wall since_wall{};
  Mono last{};
  int failures = 0;  // in a row
  int suffices = 1;
  Mono sent{};  // the last call, or entry, that failed
  bool told = false;
  int retold = 0;  // because the cause changed
  Mono told_at{};
  Mono well_since{};  // it works again; told once it has gone on for a while
  std::string told_reason{};
  std::string told_message{};
};

enum class Urgency : uint8_t { kNow, kQuiet, kProgress, kAccountWide };

struct Request {
  RequestKey key{};
  std::string uid{};
  std::string version{};
  int64_t generation = 0;
  Wall created{};
  std::string hold{};
  std::string requested_at{};
  RequestSpec spec{};
  std::vector<std::string> errors{};
  uint64_t epoch = 0;  // of the last list that had it

  // Aligned with spec.members; after those, members that were removed but are still in a batch.
  std::vector<MemberStatus> members{};
  std::array<int, kMemberStates> counts{};
  Plan plan{};
  int64_t planned_generation = -1;
  std::optional<Wall> accepted{};
  std::optional<Wall> accepted_told{};  // what the last write said
  std::optional<Wall> started{};
  std::optional<Wall> completed{};
  std::string handled_requested_at{};
  std::array<ConditionMemo, kConditionTypes> conditions{};
  std::string seen_with{};  // that its status named: believed once it is admitted
  Phase phase = Phase::kPending;
  bool deleting = false;
  bool accepted_written = false;  // what was told is in the cluster, and has not changed since
  bool accepted_unheard = false;  // by our own clock, the service was not heard yet
  bool waited_for_account_mode = false;  // its grace counts anew when the account turns to Execute
  bool admitted = false;                 // S0: its claims are made
  bool queued = false;                   // to be decided anew
  bool swept = false;                    // the newest list lacks it: to be forgotten

  Holdup not_accepted{};
  Holdup not_permitted{};
  Wall wake_at{};  // its place in the wall heap; Wall{} for none

  // Outbox.
  bool writing = false;
  bool withheld = false;  // another installation tells of it now
  bool conflicted = false;
  bool due_is_final = false;
  uint8_t failed_writes = 0;  // in a row
  // A live read differed: nothing is called for it until the watch has reached `suspect_version`,
  // or shows it anew when that is 0.
  bool suspect = false;
  uint64_t suspect_version = 0;
  uint64_t observed_fingerprint = 0;
  int64_t observed_generation = -1;
  uint64_t announced = 0;  // what its Ready said when its end was announced last
  Mono due{base::kNever};
  Mono last_write{};

  bool IsAccepted() const { return not_accepted.reason.empty(); }
  bool IsPermitted() const {
    return IsAccepted() && (not_permitted.reason.empty() || not_permitted.told_only);
  }
  bool Executes() const { return spec.mode == Mode::kExecute; }
  Lane lane() const { return {spec.account, spec.region}; }
};

struct Account;

struct LaneState {
  Lane lane{};
  Account* account = nullptr;  // never none: who names a lane names its account
  Ledger ledger{};
  Looks looks{};
  size_t looking = 0;  // ids in looks that are in flight
  Packer packer{};
  int refused_looks = 0;            // in a row
  Mono looks_after{};               // pause after looks of this region that failed
  Breaker breaker{};                // stops calls in this region only
  std::string refused_with{};       // the credentials that looks of this region were refused with
  bool taken_elsewhere = false;     // another region took them since
  const Viewpoint* here = nullptr;  // as its account sees it now; made when needed
  Mono witness_asked{};
  // S8: many vanished at once; when that was counted last, and since when it is so.
  Mono census{};
  Mono suspicious_since{base::kNever};
};

struct Account {
  AccountObject object{};
  bool exists = false;
  uint64_t epoch = 0;
  Rate terminate{8, 1};
  Rate describe{20, 2};
  Breaker credentials_breaker{};                               // stops looks and calls
  Breaker calls_breaker{};                                     // stops calls; healed by calls only
  std::map<std::pair<Work, std::string>, Trouble> troubles{};  // by work and region
  Mono accepted_at{};                                          // the last accepted call
  std::string refused_code{};                                  // of the last refused call
  std::optional<Fault> refused_as{};                           // likewise
  int refused_in_a_row = 0;       // calls refused alike and none accepted since
  uint32_t groups_from = 0;       // older groups are undone
  int refused_looks = 0;          // in a row
  uint32_t look_groups_from = 0;  // older groups of looks are undone
  size_t probe_turn = 0;
  Mono probe_after{};           // none of its instances was found to probe with
  bool dry_run_proven = false;  // the service answered DryRunOperation since the last edit
  ServiceClock clock{};
  Millis clock_ahead{0};         // our clock, of the service's, in whole minutes
  bool dry_run_unknown = false;  // the service does not know DryRun; until the next edit
  bool dry_run_doubted =
      false;  // nobody saw what one did; until the parameter is not sent any more
  // What the log tells of dry runs: the end of the last that was executed, or that nobody saw the
  // end of, and the last answer to any call.
  Wall executed_end{};
  Wall doubted_end{};
  Wall last_answer{};
  bool dry_run_executed = false;  // it executed a call that said DryRun=true; likewise
  Millis fence_widened{0};        // added to the age of signatures after one was refused as expired
  Mono looks_after{};             // pause after looks that failed

  std::string recorded_credential{};  // that its status named when we began
  std::string credential_revision{};  // of all parts of the credentials
  bool credentials_read = false;
  std::string credential{};
  std::string heard_in{};  // the region of the last look that these credentials were good for
  Mono heard_at{};
  std::string credential_error{};
  ConditionStatus credentials_valid = ConditionStatus::kUnknown;
  Mono credentials_asked{};

  std::string dead_installation{};  // whose lease is gone or silent
  Mono lease_asked{};
  Mono confirmed_at{};
  bool suspect = false;
  uint64_t suspect_version = 0;

  int64_t waiting_requests = 0;
  int64_t waiting_instances = 0;

  uint64_t observed_fingerprint = 0;
  bool writing = false;
  bool conflicted = false;
  int failed_writes = 0;  // in a row
  Mono due{base::kNever};
  Mono last_write{};
  std::map<std::string, LaneState*> lanes{};  // by region; the state owns them

  Holdup not_ready{};
};

}  // namespace retirement
