// EngineTest: drives an engine by hand; time moves only when a test says so.

#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "retirement/durations.h"
#include "retirement/engine.h"

namespace retirement {

inline const Lane kLane{"default", "ap-guangzhou"};

class EngineTest : public testing::Test {
 protected:
  EngineTest() : engine_(Config{{}, hours{720}, "operator", "me", {""}}) {
    account_.name = "default";
    account_.uid = "account";
    account_.version = "10";
    account_.generation = 1;
    account_.spec.mode = Mode::kExecute;
    account_.spec.regions = {kLane.region};
    account_.spec.all_namespaces = true;
    account_.status.installation = "operator";
  }

  /// A look that does not say where it was asked was asked at the account's endpoint.
  void Step(Event event) {
    if (auto* o = std::get_if<Observed>(&event); o && o->endpoint.empty()) {
      o->endpoint = account_.spec.endpoint;
    }
    Feed(event);
    // The watch shows at once what was created.
    const auto* c = std::get_if<Committed>(&event);
    if (c && c->outcome == Committed::Outcome::kCreated && echoes_) {
      Feed(Bookmark{{Kind::kBatch, ""}, c->version});
    }
  }
  void Feed(const Event& event) {
    StepResult result = engine_.Step(event, now_);
    for (Action& a : result.actions) actions_.push_back(std::move(a));
    wake_ = result.wake;
  }
  void Wait(Millis time) {
    const Mono end = now_.mono + time;
    while (wake_ <= end) {
      const Millis step = std::max(Millis{1}, wake_ - now_.mono);
      now_.mono += step;
      now_.wall += step;
      Step(Tick{});
    }
    now_.wall += end - now_.mono;
    now_.mono = end;
  }
  void Begin(const std::vector<RequestObject>& requests, const std::vector<BatchObject>& log = {}) {
    Step(Lead{base::kNever});
    for (const Kind kind : {Kind::kBatch, Kind::kAccount, Kind::kRequest}) {
      Step(ResetBegin{{kind, ""}});
      if (kind == Kind::kAccount) Step(AccountSeen{account_});
      if (kind == Kind::kRequest) {
        for (const auto& r : requests) Step(RequestSeen{r});
      }
      if (kind == Kind::kBatch) {
        for (const auto& b : log) Step(BatchSeen{b});
      }
      Step(ResetEnd{{kind, ""}, "100", now_.mono});
    }
    Step(CredentialsChanged{"default", "key", "", "", ""});
    Wait(Millis{150});
  }

  /// Takes the first action of a type off the list.
  template <typename T>
  std::optional<T> Take() {
    for (auto it = actions_.begin(); it != actions_.end(); ++it) {
      if (!std::holds_alternative<T>(*it)) continue;
      T action = std::get<T>(std::move(*it));
      actions_.erase(it);
      return action;
    }
    return std::nullopt;
  }
  template <typename T>
  size_t CountOf() const {
    return size_t(std::count_if(actions_.begin(), actions_.end(),
                                [](const Action& a) { return std::holds_alternative<T>(a); }));
  }

  RequestObject Request(const std::string& name, const std::vector<std::string>& ids) {
    RequestObject r;
    r.key = {"team", name};
    r.uid = "uid-" + name;
    r.version = std::to_string(++version_);
    r.generation = 1;
    r.created = now_.wall;
    r.spec.region = kLane.region;
    for (const std::string& id : ids) r.spec.members.push_back(MemberSpec(*InstanceId::Parse(id)));
    return r;
  }
  /// An open entry of another process, which may have been sent; its first member is of request r.
  BatchObject Open(std::string_view charge = "POSTPAID_BY_HOUR") {
    BatchObject entry;
    entry.lane = kLane;
    entry.sequence = 1;
    entry.version = "20";
    entry.holder = "other";
    entry.credential = "key";
    entry.endpoint = account_.spec.endpoint;
    entry.charge = ChargeType(charge);
    entry.call_validity = seconds{15};
    entry.members.push_back({*InstanceId::Parse("ins-00000001"), {"team", "r"}, "uid-r", {}, {}});
    return entry;
  }
  void Answer(const Observe& look, const char* state,
              std::string_view charge = "POSTPAID_BY_HOUR") {
    std::vector<Sight> sights;
    for (const InstanceId id : look.ids) {
      Sight s;
      s.id = id;
      s.state = state;
      s.charge = ChargeType(charge);
      if (*state != '\0') sights.push_back(s);
    }
    Observed o{look.lane, look.ids, now_.mono, "key", sights, {}};
    o.service_time = ServiceTime{std::chrono::floor<seconds>(now_.wall), now_.mono};
    Step(o);
  }
  void AnswerLook(const char* state, std::string_view charge = "POSTPAID_BY_HOUR") {
    const auto look = Take<Observe>();
    ASSERT_TRUE(look);
    Answer(*look, state, charge);
  }
  /// From the look to the call.
  std::optional<Call> GoToCall() {
    Wait(seconds{2});
    if (const auto confirm = Take<Confirm>()) Confirmed_(*confirm);
    const auto commit = Take<Commit>();
    if (!commit) return Take<Call>();
    committed_ = commit->batch;
    Step(Committed{kLane, commit->batch.sequence, Committed::Outcome::kCreated,
                   std::to_string(++version_), ""});
    Wait(seconds{1});
    return Take<Call>();
  }
  void Confirmed_(const Confirm& c) {
    Confirmed done{c.token, now_.mono, true, {}, {}};
    for (const RequestKey& key : c.requests) {
      const auto& r = *engine_.state().requests.at(key);
      done.requests.push_back({key, true, r.uid, r.generation, false, r.hold});
    }
    if (!c.account.empty())
      done.account = LiveAccount{"default", true, "account", account_.generation};
    Step(done);
  }
  void AnswerCall(const Call& call, Answered::Outcome outcome, Refusal refusal = {}) {
    Answered a{call.lane, call.sequence, outcome, "request-id", std::move(refusal), false, {}};
    Step(a);
  }
  const MemberStatus& Member(const std::string& request, size_t i = 0) {
    return engine_.state().requests.at({"team", request})->members.at(i);
  }

  Engine engine_;
  bool echoes_ = true;
  std::vector<size_t> calls_{};
  AccountObject account_;
  Now now_{Mono{hours{1}}, Wall{hours{500'000}}};
  Mono wake_ = base::kNever;
  std::vector<Action> actions_;
  BatchObject committed_;
  int version_ = 100;  // of the first list
};

}  // namespace retirement
