#include "retirement/identity.h"

namespace retirement {

const Identity& Identity::Root() const {
  const Identity* root = this;
  while (root->same_as != nullptr) root = root->same_as;
  return *root;
}

bool Same(const Viewpoint& a, const Viewpoint& b) {
  return a.region == b.region && &a.who->Root() == &b.who->Root();
}

const Viewpoint* Identities::At(const std::string& region, const std::string& credential,
                                const std::string& endpoint) {
  auto& who = identities_[{credential, endpoint}];
  if (!who) who = std::make_unique<Identity>(Identity{credential, endpoint, nullptr});
  auto& viewpoint = viewpoints_[{region, who.get()}];
  if (!viewpoint) viewpoint = std::make_unique<Viewpoint>(Viewpoint{region, who.get()});
  return viewpoint.get();
}

const Viewpoint* Identities::Named(const std::string& region, std::string_view text,
                                   const std::string& endpoint) {
  const size_t at = text.find('@');
  if (at == std::string_view::npos) return At(region, std::string(text), endpoint);
  return At(region, std::string(text.substr(0, at)), std::string(text.substr(at + 1)));
}

bool Identities::Merge(const Viewpoint& a, const Viewpoint& b) {
  if (a.region != b.region || a.who->endpoint != b.who->endpoint) return false;
  const Identity& left = a.who->Root();
  const Identity& right = b.who->Root();
  if (&left == &right) return false;
  identities_.at({left.credential, left.endpoint})->same_as =
      identities_.at({right.credential, right.endpoint}).get();
  return true;
}

}  // namespace retirement
