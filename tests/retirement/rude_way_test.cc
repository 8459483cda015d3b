// Who cannot go on is in nobody's way (L1).
#include "retirement/rude_fixture.h"

namespace retirement {
namespace {

class RudeWayTest : public RudeTest {
 protected:
  /// A crowd; "holds", which has no place in it and is blocked, holds it.
  std::vector<RequestObject> HeldByTheLast() {
    std::vector<RequestObject> requests;
    for (int i = 0; i < 40; ++i) {
      requests.push_back(Request("r" + std::to_string(i), {Id(1)}));
      requests.back().created += seconds{i};
    }
    RequestObject holds = Request("holds", {Id(1)});
    TellOfACall(holds, MemberState::kBlocked, Reason::kDuplicateRequest, 0);
    holds.hold = "alice=wait";
    requests.push_back(holds);
    return requests;
  }
};

// L1: a hold ends with its request's expiry, also that of one who has no place and is blocked.
TEST_F(RudeWayTest, AnExpiredHoldInACrowdHoldsNobody) {
  auto requests = HeldByTheLast();
  requests.back().spec.expires_at = now_.wall + minutes{5};
  Start(requests);
  Go(minutes{2});
  ASSERT_TRUE(called_.empty()) << "it is held";
  Go(hours{1});
  EXPECT_EQ(called_.size(), 1u) << WordsOf("r0");
  EXPECT_EQ(Told("r0").state, MemberState::kRetired) << WordsOf("r0");
}

// L1: nor does a hold that goes in the moment in which its request is deleted.
TEST_F(RudeWayTest, AHoldThatGoesWithItsRequestHoldsNobody) {
  const auto requests = HeldByTheLast();
  Start(requests);
  Go(minutes{2});
  ASSERT_TRUE(called_.empty()) << "it is held";
  Edit("holds", [](RequestObject& o) { o.hold = "", o.deleting = true; });
  Go(minutes{10});
  EXPECT_EQ(called_.size(), 1u) << WordsOf("r0");
}

// L1: a plan elsewhere does not wait for an owner that waits for ever.
TEST_F(RudeWayTest, APlanElsewhereDoesNotWaitForAnOwnerThatWaits) {
  account_.spec.regions = {kLane.region, "ap-beijing"};
  describe_ = [](const Observe& a) {
    return a.lane == kLane ? All(a, "STOPPING") : std::vector<Sight>{};
  };
  RequestObject plan = Request("plan", {Id(1)});
  plan.spec.region = "ap-beijing";
  plan.spec.mode = Mode::kDryRun;
  Start({Request("r", {Id(1)}), plan});
  Go(hours{2});
  EXPECT_EQ(Told("plan").state, MemberState::kPlanned) << WordsOf("plan");
}

// L1: an entry whose account is gone is looked at by whoever can look.
TEST_F(RudeWayTest, ABlindAccountIsInNoEntrysWay) {
  for (const bool blind : {false, true}) {
    Fresh();
    AccountObject other = account_;
    other.name = other.uid = "other";
    other.status.installation = "somebody-else/operator";
    accounts_.emplace("other", other);
    RequestObject theirs = Request("a-theirs", {Id(1)});
    theirs.spec.account = "other";
    BatchObject entry = Open();
    entry.lane.account = "gone";
    std::vector<RequestObject> requests = {Request("r", {Id(1)})};
    if (blind) requests.push_back(theirs);
    Start(requests, {entry});
    Go(hours{2});
    EXPECT_EQ(Told("r").state, MemberState::kRetired) << "blind " << blind << WordsOf("r");
  }
}

// L1: nor is an account that may not look.
TEST_F(RudeWayTest, ADeniedAccountIsInNobodysWay) {
  AccountObject other = account_;
  other.name = other.uid = "other";
  accounts_.emplace("other", other);
  describe_ = [this](const Observe& a) -> Answer_ {
    if (a.lane.account != "other") return Living(a);
    return Refusal{Fault::kUnauthorized, Reason::kUnauthorized, "UnauthorizedOperation", "", {}};
  };
  RequestObject denied = Request("a-denied", Ids(1, 3));
  denied.spec.account = "other";
  denied.spec.suspend = true;
  RequestObject plan = Request("plan", {Id(1)});
  plan.spec.mode = Mode::kDryRun;
  Start({denied, plan});
  Go(hours{2});
  EXPECT_EQ(Told("plan").state, MemberState::kPlanned) << WordsOf("plan") << WordsOf("a-denied");
}

// E2: two that expect another instance, in two regions, are not told anew with every look.
TEST_F(RudeWayTest, AnAbsenceElsewhereIsNoOtherName) {
  account_.spec.regions = {kLane.region, "ap-beijing"};
  describe_ = [](const Observe& a) {
    return a.lane == kLane ? All(a, "RUNNING") : std::vector<Sight>{};
  };
  std::vector<RequestObject> requests;
  for (const char* name : {"a-there", "b-here"}) {
    RequestObject& r = requests.emplace_back(Request(name, {Id(1)}));
    r.spec.members[0].expect = std::make_unique<Expectation>(Expectation{"another", ""});
    TellOfACall(r, MemberState::kBlocked, Reason::kExpectMismatch, 0);
  }
  requests[1].created -= hours{1};
  requests[0].spec.region = "ap-beijing";
  requests[0].spec.intent.prepaid = PrepaidPolicy::kDestroy;
  Start(requests);
  Go(minutes{30});
  const int announced = announced_;
  Go(hours{2});
  EXPECT_LE(announced_, announced + 2) << WordsOf("a-there");
  EXPECT_TRUE(called_.empty());
}

}  // namespace
}  // namespace retirement
