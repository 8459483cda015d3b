// InstanceRetirement: JSON to value and status to JSON. Pure.

#pragma once

#include <string>

#include "base/json.h"
#include "retirement/event.h"

namespace translate {

/// What is wrong with the spec goes into `errors`, each entry naming its field; all rules of the
/// CRD are checked again. An error only when the object has no name or uid.
base::Result<retirement::RequestObject> ReadRequest(base::JsonValue object);

/// The live metadata of a request, as Confirm needs it.
retirement::LiveRequest ReadLiveRequest(const retirement::RequestKey& key, base::JsonValue object);

/// A merge patch of the status on `version` of our view, with null for what is not there.
std::string WriteRequestStatus(const std::string& version, const retirement::RequestStatus& status,
                               const retirement::Lane& lane);

}  // namespace translate
