// Administrators: they edit, delete, remake and rename CloudAccounts, and rotate or swap Secrets.
#include <algorithm>

#include "simulation/world.h"

namespace simulation {

const std::vector<std::string> kAccounts = {"default", "other"};
const std::vector<std::string> kRegions = {"ap-guangzhou", "ap-shanghai"};
const std::string kHome = "https://cvm.tencentcloudapi.com";
const std::string kAway = "https://cvm.intl.tencentcloudapi.com";

bool IsOurs(const std::string& key) { return key == kOurKey || key == kOurOtherKey; }

/// Two accounts are one in truth.
AccountObject World::NewAccount(const std::string& name) {
  AccountObject account;
  account.name = name;
  account.uid = "uid-of-" + name + "-" + std::to_string(++order_);
  account.generation = 1;
  account.spec.mode = Mode::kExecute;
  account.spec.secret_name = "secret-of-" + name;
  account.spec.endpoint = kHome;
  account.spec.regions = kRegions;
  account.spec.all_namespaces = !shape_.guests;
  if (shape_.guests) account.spec.namespaces = {"team", "crew"};
  account.spec.server_side_dry_run = shape_.dry_runs && random_.Chance(0.7);
  return account;
}

void World::PopulateAccounts() {
  for (int i = 0; i < shape_.accounts; ++i) {
    AccountObject account = NewAccount(kAccounts[size_t(i)]);
    account.version = NextVersion();
    if (shape_.rivals) account.status.installation = "operator-" + std::to_string(i);
    accounts_[account.name] = account;
    secrets_["secret-of-" + account.name] = kOurKey;
    secrets_["second-secret-of-" + account.name] = kOurOtherKey;
  }
}

void World::ActOnAccount() {
  if (accounts_.empty()) return;
  auto it = accounts_.begin();
  std::advance(it, int64_t(random_.Below(accounts_.size())));
  const AccountObject account = it->second;
  switch (random_.Below(5)) {
    case 0:
      return ActOnSecret(account);
    case 1:
      return MakeAccountAnew(account);
    default:
      return EditAccount(account);
  }
}

void World::ActOnSecret(const AccountObject& account) {
  if (!secrets_.contains(account.spec.secret_name)) return;
  std::string& secret = secrets_.at(account.spec.secret_name);
  const std::string before = secret;
  if (random_.Chance(0.5) && Fault("Secret swapped for a stranger's", 1)) {
    secret = secret == kStrangeKey ? kOurKey : kStrangeKey;
  } else if (Fault("Secret rotated", 1)) {
    secret = secret == kOurKey ? kOurOtherKey : kOurKey;
  }
  if (secret == before) return;
  Trace("secret of " + account.name + " is " + secret);
  UsersAsk(account.name);
  UpdateTruth();
}

void World::EditAccount(AccountObject account) {
  AccountSpec& s = account.spec;
  switch (random_.Below(15)) {
    case 0:
    case 1:
      if (!Fault("account paused or resumed", 1)) return;
      s.paused = !s.paused;
      break;
    case 2:
    case 3:
      if (!Fault("account mode changed", 1)) return;
      s.mode = s.mode == Mode::kDryRun ? Mode::kExecute : Mode::kDryRun;
      break;
    case 4:
      if (!Fault("endpoint edited", 1)) return;
      s.endpoint = s.endpoint == kHome ? kAway : kHome;
      break;
    case 5:
      if (!Fault("method edited", 1)) return;
      s.use_get = !s.use_get;
      used_get_ = true;
      break;
    case 6:
      if (!Fault("regions edited", 1)) return;
      s.regions = s.regions.size() > 1 ? std::vector{OneOf(kRegions)} : kRegions;
      break;
    case 7:
      if (!Fault("allowed namespaces edited", 1)) return;
      s.all_namespaces = false;
      s.namespaces = s.namespaces.size() > 1 ? std::vector<std::string>{"team"}
                                             : std::vector<std::string>{"team", "crew"};
      break;
    case 8:
      if (!Fault("call validity edited", 1)) return;
      s.call_validity = seconds{15} + Delay(285'000);
      break;
    case 9:
      if (!Fault("rates edited", 1)) return;
      s.terminate_per_second = int(1 + random_.Below(10));
      s.describe_per_second = int(1 + random_.Below(30));
      break;
    case 10:
    case 12:
    case 13:
      if (!shape_.dry_runs || !Fault("dry runs of the service edited", 1)) return;
      s.server_side_dry_run = !s.server_side_dry_run;
      break;
    case 11:
      if (!Fault("name of the Secret edited", 1)) return;
      s.secret_name =
          (s.secret_name.starts_with("second") ? "secret-of-" : "second-secret-of-") + account.name;
      break;
    default:
      if (!Fault("name of the Secret mistyped", 0.8)) return;
      s.secret_name = "no-such-secret";
  }
  ++account.generation;
  PutAccount(account);
}

/// The same name, or another one, with the same Secret.
void World::MakeAccountAnew(const AccountObject& account) {
  if (!Fault("account made anew", 0.5)) return;
  DropAccount(account.name);
  AccountObject again = NewAccount(account.name);
  again.spec = account.spec;
  if (random_.Chance(0.3) && Fault("account renamed", 1)) again.name += "-renamed";
  At(nullptr, Delay(120'000), [this, again] {
    if (faults_on_ && !accounts_.contains(again.name)) PutAccount(again);
  });
}

/// Some key of the right account stays, not necessarily the first one.
void World::PutAccountsRight() {
  for (auto& [name, key] : secrets_) {
    if (!IsOurs(key)) key = random_.Chance(0.5) ? kOurKey : kOurOtherKey;
  }
  for (const auto& [name, account] : std::map(accounts_)) {
    if (name.ends_with("-renamed")) DropAccount(name);
  }
  for (int i = 0; i < shape_.accounts; ++i) {
    const std::string& name = kAccounts[size_t(i)];
    AccountObject account = NewAccount(name);
    if (const auto found = accounts_.find(name); found != accounts_.end()) {
      const std::string secret = found->second.spec.secret_name;
      if (secrets_.contains(secret)) account.spec.secret_name = secret;
      const AccountSpec spec = account.spec;
      account = found->second;
      account.spec = spec;
      ++account.generation;
    }
    account.spec.server_side_dry_run = false;
    PutAccount(account);
  }
}

void World::Do(Process& p, const ReadCredentials& a) {
  const bool missing = Fault("Secret missing", 0.05);
  At(&p, Delay(50), [this, &p, a, missing] {
    const auto found = secrets_.find(a.spec.secret_name);
    const std::string key = missing || found == secrets_.end() ? "" : found->second;
    p.credentials[a.account] = key;
    const std::string error = key.empty() ? "no such Secret" : "";
    Feed(p, CredentialsChanged{a.account, key, error, a.spec.secret_name, key});
  });
}

}  // namespace simulation
