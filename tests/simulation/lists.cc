// Lists and watches: lists take time, break in the middle and begin again; watches lag, are cut or
// go on steadily with old news.
#include "simulation/world.h"

namespace simulation {
namespace {

constexpr Millis kBookmarkInterval{10'000};

}  // namespace

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

/// A watch speaks although it may lag: what it says is that nothing newer came through it.
void World::SendBookmarks(Process& p, Kind kind) {
  At(&p, kBookmarkInterval, [this, &p, kind] {
    if (p.watches[kind] > 0 && !p.listing.contains(kind)) {
      Feed(p, Bookmark{{kind, ""}, p.delivered[kind]});
    }
    SendBookmarks(p, kind);
  });
}

void World::List(Process& p, Kind kind) {
  At(&p, Delay(200), [this, &p, kind, sent = ClockOf(p)] {
    if (p.engine) Tell(p, kind, sent);
  });
}

std::vector<Event> World::ObjectsOf(Kind kind) const {
  std::vector<Event> events;
  if (kind == Kind::kRequest) {
    for (const auto& [key, object] : requests_) events.push_back(RequestSeen{object});
  } else if (kind == Kind::kAccount) {
    for (const auto& [name, object] : accounts_) events.push_back(AccountSeen{object});
  } else {
    for (const auto& [key, entry] : batches_) events.push_back(BatchSeen{entry.object});
  }
  return events;
}

/// The list is of this moment; it is told object by object, and what is published meanwhile comes
/// after it.
void World::Tell(Process& p, Kind kind, Mono sent) {
  const Stream stream{kind, ""};
  const int watch = ++p.watches[kind];
  const std::string version = std::to_string(version_);
  std::vector<Event> events = ObjectsOf(kind);
  const bool breaks = Fault("list breaks in the middle", 0.03);
  const bool slow = Fault("slow list", 0.1);
  const Millis takes = slow ? Delay(12'000) : Millis{0};
  if (breaks) events.resize(random_.Below(events.size() + 1));
  p.listing.insert(kind);
  p.lag_until.erase(kind);
  p.last_delivery[kind] = now_ + takes;
  events.insert(events.begin(), ResetBegin{stream});
  if (!breaks) events.push_back(ResetEnd{stream, version, sent});
  const auto tell = [this, &p, kind, watch, version](const Event& event) {
    if (watch != p.watches[kind]) return;
    if (std::holds_alternative<ResetEnd>(event)) {
      p.listing.erase(kind);
      p.delivered[kind] = version;
    }
    Feed(p, event);
  };
  const int64_t life = p.life;
  for (size_t i = 0; i < events.size(); ++i) {
    const Millis after = takes * int64_t(i) / int64_t(events.size());
    if (slow) At(&p, after, [tell, event = events[i]] { tell(event); });
    if (!slow && life == p.life) tell(events[i]);
  }
  if (breaks && life == p.life) At(&p, takes, [this, &p, kind] { List(p, kind); });
}

}  // namespace simulation
