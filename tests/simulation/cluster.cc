// The kube-apiserver: versions, conflicts, writes whose answers get lost, objects that it refuses,
// reads that fail.
#include "created.h"
#include "simulation/world.h"

namespace simulation {
namespace {

constexpr uint64_t kHighestNumber = 9'999'999'999;  // the name has ten digits
constexpr size_t kMostMembersTold = 400;
constexpr Millis kLeaseDuration{10'000};

}  // namespace

void World::Do(Process& p, const Commit& a) {
  const bool slow = Fault("slow write", 0.02);
  CountEntry(a.batch);
  // A write that is under way survives the process that made it; its answer does not.
  At(nullptr, slow ? Delay(60'000) : Delay(100), [this, a, &p, life = p.life] {
    const Committed done = Create(p, a.batch);
    const bool refused =
        done.outcome == Committed::Outcome::kFailed || done.outcome == Committed::Outcome::kInvalid;
    if (life != p.life) return;
    if (Serves(p, a.batch.lane.account))
      Fared(a.batch.lane.account, Activity::kCommit, refused ? "entries refused" : "");
    At(&p, Delay(100), [this, &p, done] { Feed(p, done); });
  });
}

Committed World::Create(Process&, const BatchObject& batch) {
  const EntryKey key{batch.lane, batch.sequence};
  Committed done{batch.lane, batch.sequence, Committed::Outcome::kExists, "", ""};
  if (batch.sequence > kHighestNumber || batch.sequence == 0) {
    done.outcome = Committed::Outcome::kInvalid;
    return done;
  }
  if (now_ < efforts_[batch.lane.account].refusing_until || Fault("create refused", 0.04)) {
    Trace("entry refused: " + BatchName(batch.lane, batch.sequence) + " of " + batch.holder);
    done.outcome = Committed::Outcome::kFailed;
    return done;
  }
  if (batches_.contains(key)) return done;
  BatchObject stored = AsCreated(batch);
  stored.version = NextVersion();
  done.outcome = Committed::Outcome::kCreated;
  done.version = stored.version;
  const auto before = vanished_.find(key);
  const bool again =
      before != vanished_.end() && before->second.object.signed_at == stored.signed_at;
  batches_[key] = {stored, again ? before->second.birth : ++order_, now_, base::kNever};
  if (!again) created_[order_] = now_;
  ever_.insert(key);
  Trace("create " + BatchName(batch.lane, batch.sequence) + " by " + batch.holder);
  for (const BatchMember& m : stored.members) {
    committed_.insert(m.id);
    if (!Follows(m.id)) continue;
    Trace("  it is in it for " + m.request.name + ", credentials " + stored.credential);
  }
  Publish(Kind::kBatch, BatchSeen{stored});
  return done;
}

void World::Do(Process& p, const ReadBatch& a) {
  At(&p, Delay(100), [this, &p, a] {
    const auto found = batches_.find({a.lane, a.sequence});
    if (found != batches_.end()) return Feed(p, BatchSeen{found->second.object, true});
    Feed(p, BatchGone{a.lane, a.sequence});
  });
}

void World::Do(Process& p, const Record& a) {
  At(nullptr, Fault("slow write", 0.02) ? Delay(60'000) : Delay(100),
     [this, a, &p, life = p.life, sent = ClockOf(p)] {
       Recorded done{a.batch.lane, a.batch.sequence, false, false, false, "", sent};
       const auto found = batches_.find({a.batch.lane, a.batch.sequence});
       if (found == batches_.end()) {
         done.missing = true;
       } else if (found->second.object.version != a.batch.version) {
         done.conflict = true;
         ++report_.faults["conflict"];
       } else if (!Fault("record refused", 0.03)) {
         BatchObject& stored = found->second.object;
         if (IsClosed(a.batch.phase) && !IsClosed(stored.phase)) found->second.closed_at = now_;
         const std::string close = stored.close;
         stored = a.batch;
         stored.close = close;  // metadata
         stored.version = done.version = NextVersion();
         done.written = true;
         for (const BatchMember& m : stored.members) {
           LastCall& last = last_calls_[m.id];
           const bool told = stored.phase == BatchPhase::kAccepted;
           if (told && last.request_id == stored.request_id) last.clean = true;
         }
         Trace("record " + BatchName(a.batch.lane, a.batch.sequence) + " " +
               ToString(stored.phase) + " " + stored.error_code);
         Publish(Kind::kBatch, BatchSeen{stored});
         if (Fault("answer to a write lost", 0.03)) done.written = false;
       }
       if (life == p.life) At(&p, Delay(100), [this, &p, done] { Feed(p, done); });
     });
}

void World::Do(Process&, const DeleteBatch& a) {
  At(nullptr, Delay(100), [this, a] {
    JudgeDeletion(a);
    if (batches_.erase({a.lane, a.sequence}) == 0) return;
    ++version_;
    Trace("operator deletes " + BatchName(a.lane, a.sequence));
    Publish(Kind::kBatch, BatchGone{a.lane, a.sequence});
  });
}

void World::Do(Process& p, const WriteStatus& a) {
  writing_.insert(a.key);
  At(nullptr, Fault("slow write", 0.02) ? Delay(60'000) : Delay(100),
     [this, a, &p, life = p.life, sent = ClockOf(p)] {
       writing_.erase(writing_.find(a.key));
       StatusWritten done{Kind::kRequest, a.key, false, false, "", sent};
       if (a.version.empty()) Fail("a status write without the version of its view");
       const auto found = requests_.find(a.key);
       if (a.status.members.size() > kMostMembersTold) {
         done.invalid = true;
       } else if (found == requests_.end() || found->second.version != a.version) {
         done.conflict = true;
         ++report_.faults["conflict"];
       } else if (!Fault("status write refused", 0.03)) {
         const RequestObject before = found->second;
         found->second.status = a.status;
         if (life == p.life) JudgeStatus(p, before, found->second);
         CountWrite(a.key);
         found->second.version = done.version = NextVersion();
         done.written = true;
         Publish(Kind::kRequest, RequestSeen{found->second});
         if (Fault("answer to a write lost", 0.03)) done.written = false;
       }
       if (life == p.life) At(&p, Delay(100), [this, &p, done] { Feed(p, done); });
     });
}

void World::Do(Process& p, const WriteAccountStatus& a) {
  At(nullptr, Delay(100), [this, a, &p, life = p.life, sent = ClockOf(p)] {
    StatusWritten done{Kind::kAccount, {"", a.name}, false, false, "", sent};
    const auto found = accounts_.find(a.name);
    if (found == accounts_.end() || found->second.version != a.version) {
      done.conflict = true;
      ++report_.faults["conflict"];
    } else {
      // Who comes to serve it has to see for himself what does not work.
      if (found->second.status.installation != a.status.installation) UsersAsk(a.name);
      found->second.status = a.status;
      efforts_[a.name].writes.push_back(now_);
      for (const Condition& c : a.status.conditions) {
        if (c.type == "Ready")
          Trace(a.name + " Ready " + ToString(c.status) + " " + c.reason +
                (shape_.rivals ? " says " + a.status.installation : ""));
      }
      found->second.version = done.version = NextVersion();
      done.written = true;
      Publish(Kind::kAccount, AccountSeen{found->second});
    }
    if (life == p.life) At(&p, Delay(100), [this, &p, done] { Feed(p, done); });
  });
}

void World::Do(Process&, const Announce& a) {
  if (!a.about.ns.empty()) chatter_[a.about].events.push_back(now_);
}

void World::Do(Process& p, const Confirm& a) {
  At(&p, Delay(200), [this, &p, a, sent = ClockOf(p)] {
    Confirmed done{a.token, sent, !Fault("live read fails", 0.05), {}, {}};
    for (const RequestKey& key : a.requests) {
      LiveRequest live{key, false, "", 0, false, "", ""};
      if (const auto found = requests_.find(key); found != requests_.end()) {
        const RequestObject& o = found->second;
        live = {key, true, o.uid, o.generation, o.deleting, o.hold, o.version};
      }
      done.requests.push_back(live);
    }
    if (const auto found = accounts_.find(a.account); found != accounts_.end()) {
      const AccountObject& o = found->second;
      done.account = LiveAccount{a.account, true, o.uid, o.generation, o.version};
    } else if (!a.account.empty()) {
      done.account = LiveAccount{a.account, false, "", 0, ""};
    }
    At(&p, Delay(200), [this, &p, done] { Feed(p, done); });
  });
}

void World::Do(Process& p, const ReadLease& a) {
  At(&p, Delay(50), [this, &p, a] {
    const auto found = leases_.find(a.ns);
    const bool alive = found != leases_.end() && !found->second.holder.empty() &&
                       now_ < found->second.renewed_at + kLeaseDuration;
    Feed(p, LeaseSeen{a.account, a.ns, alive});
  });
}

/// Whoever `asks` makes the operator write; one who only edits a note does not.
void World::PutRequest(RequestObject object, bool asks) {
  object.version = NextVersion();
  Trace("put " + object.key.ToString() + " v" + object.version + " hold " + object.hold +
        (object.spec.suspend ? " suspended" : "") + (object.deleting ? " deleting" : ""));
  requests_[object.key] = object;
  if (asks) {
    chatter_.clear();
    edited_at_[object.key] = now_;
  }
  UpdateTruth();
  Publish(Kind::kRequest, RequestSeen{object});
}

void World::DropRequest(const RequestKey& key) {
  Trace("drop " + key.ToString());
  requests_.erase(key);
  ++version_;
  UpdateTruth();
  Publish(Kind::kRequest, RequestGone{key});
}

void World::KeepPast(const std::string& name) {
  const auto found = accounts_.find(name);
  if (found != accounts_.end()) accounts_before_[name] = {found->second.spec, now_};
}

void World::PutAccount(AccountObject object, bool asks) {
  KeepPast(object.name);
  object.version = NextVersion();
  accounts_[object.name] = object;
  const AccountSpec& s = object.spec;
  Trace("put account " + object.name + " v" + object.version + (s.paused ? " paused" : "") +
        (s.mode == Mode::kDryRun ? " DryRun" : "") + (s.endpoint == kHome ? "" : " away") +
        (s.use_get ? " GET" : "") + (s.server_side_dry_run ? " server-side dry run" : "") +
        " secret " + s.secret_name);
  if (!s.server_side_dry_run) dry_runs_executed_.erase(object.uid);
  if (asks) UsersAsk(object.name);
  UpdateTruth();
  Publish(Kind::kAccount, AccountSeen{object});
}

void World::DropAccount(const std::string& name) {
  Trace("drop account " + name);
  KeepPast(name);
  accounts_.erase(name);
  UsersAsk(name);
  ++version_;
  UpdateTruth();
  Publish(Kind::kAccount, AccountGone{name});
}

}  // namespace simulation
