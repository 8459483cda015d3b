// Custom resources: whatever the schema may let through, and what is read is written again.
#include <cstdlib>

#include "translate/account.h"
#include "translate/batch.h"
#include "translate/request.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  base::JsonDocument json;
  const auto root = json.Parse({reinterpret_cast<const char*>(data), size});
  if (!root) return 0;
  if (const auto account = translate::ReadAccount(*root)) {
    translate::WriteAccountStatus("1", account->status);
    translate::CheckEndpoint(account->spec.endpoint, {{"*.tencentcloudapi.com"}, false});
  }
  if (const auto request = translate::ReadRequest(*root)) {
    translate::WriteRequestStatus("1", request->status, {request->spec.account, "ap-guangzhou"});
    translate::ReadLiveRequest(request->key, *root);
  }
  if (const auto batch = translate::ReadBatch(*root)) {
    base::JsonDocument again;
    const std::string text = translate::WriteBatch(*batch);
    if (!again.Parse(text)) std::abort();
    translate::WriteBatchStatus(*batch);
  }
  return 0;
}
