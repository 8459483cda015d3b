// What the kube-apiserver has of an entry once it is made.

#pragma once

#include "retirement/entries.h"

/// The status is a subresource, which a create does not set; an acceptance is in an annotation.
inline retirement::BatchObject AsCreated(retirement::BatchObject b) {
  const bool accepted = retirement::WasAccepted(b);
  b.phase = accepted ? retirement::BatchPhase::kAccepted : retirement::BatchPhase::kIntent;
  if (!accepted) b.request_id.clear();
  b.error_code.clear();
  b.error_message.clear();
  b.close.clear();
  b.answered.reset();
  b.verified.reset();
  for (retirement::BatchMember& m : b.members) {
    m.result = retirement::BatchResult::kNone;
    m.time = {};
  }
  return b;
}
