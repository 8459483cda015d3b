// RetirementBatch: value to JSON and back. Pure.

#pragma once

#include <string>

#include "base/json.h"
#include "retirement/object.h"

namespace translate {

/// The whole object, for create, which sets no status: of that only an acceptance comes with it, in
/// the annotation cvm-retirement.dev/accepted (S5). ReadBatch reads it as long as there is no
/// status.
std::string WriteBatch(const retirement::BatchObject& batch);
/// A merge patch of its status on the version in `batch`.
std::string WriteBatchStatus(const retirement::BatchObject& batch);
/// An error when it is not one that this operator wrote: its members cannot be told.
base::Result<retirement::BatchObject> ReadBatch(base::JsonValue object);

}  // namespace translate
