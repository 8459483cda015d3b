// Answers of the cloud API, as the client judges them and the engine gets them.
#include "cvm/client.h"
#include "translate/cloud.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  http::Response response;
  response.status = size > 0 && data[0] == '!' ? 502 : 200;
  response.body.assign(reinterpret_cast<const char*>(data), size);
  retirement::Call call;
  translate::ReadAnswered(call, cvm::JudgeTerminate(response));
  retirement::Observe look;
  translate::ReadObserved(look, "", cvm::JudgeDescribe(response));
  cvm::QuotedIds(response.body);
  cvm::Classify(response.body);
  return 0;
}
