// The kube-apiserver: versions, watches that lag, are cut or go on steadily with old news,
// conflicts, writes whose answers get lost, reads that fail.
#include "simulation/world.h"

namespace simulation {

void World::Publish(Kind kind, const Event& event) {
  const std::string version = std::to_string(version_);
  for (const auto& owned : processes_) {
    Process& p = *owned;
    if (!p.engine) continue;
    if (Fault("watch lags steadily", 0.01)) {
      p.lag[kind] = Delay(25'000);
      p.lag_until[kind] = now_ + Delay(120'000);
    }
    const Millis steady = now_ < p.lag_until[kind] ? p.lag[kind] : Millis{0};
    const Millis lag = steady + (Fault("watch lags", 0.05) ? Delay(8'000) : Delay(50));
    const Mono at = std::max(p.last_delivery[kind], now_ + lag);
    p.last_delivery[kind] = at;
    const auto deliver = [this, &p, event, kind, version, watch = p.watches[kind]] {
      // A watch goes on from the version of its list: what was under way before never arrives.
      if (watch != p.watches[kind]) return;
      p.delivered[kind] = version;
      Feed(p, event);
    };
    At(&p, at - now_, deliver);
    if (Fault("event repeated", 0.02)) At(&p, at - now_, deliver);
    if (Fault("watch cut", 0.01)) List(p, kind);
  }
}

void World::Do(Process& p, const Commit& a) {
  // A write that is under way survives the process that made it; its answer does not.
  At(nullptr, Fault("slow write", 0.02) ? Delay(60'000) : Delay(100), [this, a, &p, life = p.life] {
    const EntryKey key{a.batch.lane, a.batch.sequence};
    Committed done{a.batch.lane, a.batch.sequence, Committed::Outcome::kExists, "", ""};
    if (Fault("create refused", 0.02)) {
      done.outcome = Committed::Outcome::kFailed;
    } else if (!batches_.contains(key)) {
      BatchObject stored = a.batch;
      stored.phase = BatchPhase::kIntent;  // the status is a subresource: a create cannot set it
      stored.version = NextVersion();
      done.outcome = Committed::Outcome::kCreated;
      done.version = stored.version;
      const auto before = vanished_.find(key);
      const bool again =
          before != vanished_.end() && before->second.object.signed_at == stored.signed_at;
      batches_[key] = {stored, again ? before->second.birth : ++order_, base::kNever};
      if (!again) created_[order_] = now_;
      Trace("create " + BatchName(a.batch.lane, a.batch.sequence) + " by " + a.batch.holder);
      for (const BatchMember& m : stored.members) {
        if (!Follows(m.id)) continue;
        Trace("  it is in it for " + m.request.name + ", credentials " + stored.credential);
      }
      Publish(Kind::kBatch, BatchSeen{stored});
    }
    if (life == p.life) At(&p, Delay(100), [this, &p, done] { Feed(p, done); });
  });
}

void World::Do(Process& p, const ReadBatch& a) {
  At(&p, Delay(100), [this, &p, a] {
    const auto found = batches_.find({a.lane, a.sequence});
    if (found != batches_.end()) return Feed(p, BatchSeen{found->second.object});
    Feed(p, BatchGone{a.lane, a.sequence});
  });
}

void World::Do(Process& p, const Record& a) {
  At(nullptr, Fault("slow write", 0.02) ? Delay(60'000) : Delay(100),
     [this, a, &p, life = p.life, sent = now_] {
       Recorded done{a.batch.lane, a.batch.sequence, false, false, false, "", sent};
       const auto found = batches_.find({a.batch.lane, a.batch.sequence});
       if (found == batches_.end()) {
         done.missing = true;
       } else if (found->second.object.version != a.batch.version) {
         done.conflict = true;
         ++report_.faults["conflict"];
       } else if (!Fault("record refused", 0.03)) {
         if (IsClosed(a.batch.phase) && !IsClosed(found->second.object.phase)) {
           found->second.closed_at = now_;
         }
         found->second.object = a.batch;
         found->second.object.version = done.version = NextVersion();
         done.written = true;
         Publish(Kind::kBatch, BatchSeen{found->second.object});
         if (Fault("answer to a write lost", 0.03)) done.written = false;
       }
       if (life == p.life) At(&p, Delay(100), [this, &p, done] { Feed(p, done); });
     });
}

void World::Do(Process&, const DeleteBatch& a) {
  At(nullptr, Delay(100), [this, a] { batches_.erase({a.lane, a.sequence}); });
}

void World::Do(Process& p, const WriteStatus& a) {
  At(nullptr, Fault("slow write", 0.02) ? Delay(60'000) : Delay(100),
     [this, a, &p, life = p.life, sent = now_] {
       StatusWritten done{Kind::kRequest, a.key, false, false, "", sent};
       if (a.version.empty()) Fail("a status write without the version of its view");
       const auto found = requests_.find(a.key);
       if (found == requests_.end() || found->second.version != a.version) {
         done.conflict = true;
         ++report_.faults["conflict"];
       } else if (!Fault("status write refused", 0.03)) {
         found->second.status = a.status;
         for (const MemberStatus& m : a.status.members) {
           if (!Follows(m.id)) continue;
           Trace("  " + a.key.name + " says: " + ToString(m.state) + " " + ToString(m.reason) +
                 ", batch " + std::to_string(m.batch));
         }
         found->second.version = done.version = NextVersion();
         done.written = true;
         Publish(Kind::kRequest, RequestSeen{found->second});
         if (Fault("answer to a write lost", 0.03)) done.written = false;
       }
       if (life == p.life) At(&p, Delay(100), [this, &p, done] { Feed(p, done); });
     });
}

void World::Do(Process& p, const WriteAccountStatus& a) {
  At(nullptr, Delay(100), [this, a, &p, life = p.life, sent = now_] {
    StatusWritten done{Kind::kAccount, {"", a.name}, false, false, "", sent};
    const auto found = accounts_.find(a.name);
    if (found == accounts_.end() || found->second.version != a.version) {
      done.conflict = true;
      ++report_.faults["conflict"];
    } else {
      found->second.status = a.status;
      found->second.version = done.version = NextVersion();
      done.written = true;
      Publish(Kind::kAccount, AccountSeen{found->second});
    }
    if (life == p.life) At(&p, Delay(100), [this, &p, done] { Feed(p, done); });
  });
}

void World::Do(Process& p, const Confirm& a) {
  const Mono sent = now_;
  At(&p, Delay(200), [this, &p, a, sent] {
    Confirmed done{a.token, sent, !Fault("live read fails", 0.05), {}, {}};
    for (const RequestKey& key : a.requests) {
      LiveRequest live{key, false, "", 0, false, ""};
      if (const auto found = requests_.find(key); found != requests_.end()) {
        const RequestObject& o = found->second;
        live = {key, true, o.uid, o.generation, o.deleting, o.hold};
      }
      done.requests.push_back(live);
    }
    if (const auto found = accounts_.find(a.account); found != accounts_.end()) {
      done.account = LiveAccount{a.account, true, found->second.uid, found->second.generation};
    }
    At(&p, Delay(200), [this, &p, done] { Feed(p, done); });
  });
}

void World::Do(Process& p, const ReadCredentials& a) {
  const bool missing = Fault("Secret missing", 0.05);
  At(&p, Delay(50), [this, &p, a, missing] {
    const std::string key = missing ? "" : secrets_.at(a.account);
    p.credentials[a.account] = key;
    const std::string error = key.empty() ? "no such Secret" : "";
    Feed(p, CredentialsChanged{a.account, key, error, a.spec.secret_name, key});
  });
}

void World::Do(Process& p, const ReadLease& a) {
  At(&p, Delay(50), [this, &p, a] { Feed(p, LeaseSeen{a.account, a.ns, false}); });
}

void World::PutRequest(RequestObject object) {
  object.version = NextVersion();
  Trace("put " + object.key.name + " v" + object.version + " hold " + object.hold);
  requests_[object.key] = object;
  UpdateTruth();
  Publish(Kind::kRequest, RequestSeen{object});
}

void World::DropRequest(const RequestKey& key) {
  Trace("drop " + key.name);
  requests_.erase(key);
  ++version_;
  UpdateTruth();
  Publish(Kind::kRequest, RequestGone{key});
}

void World::PutAccount(AccountObject object) {
  object.version = NextVersion();
  accounts_[object.name] = object;
  Trace("put account " + object.name + " v" + object.version +
        (object.spec.paused ? " paused" : "") +
        (object.spec.mode == Mode::kDryRun ? " DryRun" : ""));
  UpdateTruth();
  Publish(Kind::kAccount, AccountSeen{object});
}

}  // namespace simulation
