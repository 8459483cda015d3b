// Watch streams and pages of lists: lines, frames and what the protocol makes of them.
#include "base/json.h"
#include "kube/lines.h"
#include "kube/watch.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  kube::WatchProtocol protocol(base::Millis{300'000});
  kube::LineSplitter lines(4096);
  base::JsonDocument json;
  base::Random random(1);
  const auto take = [&](std::string_view line) {
    const auto root = json.Parse(line);
    return root && protocol.OnFrame(kube::ReadFrame(*root)) != kube::FrameMeaning::kEnd;
  };
  for (size_t at = 0; at < size; at += 97) {
    if (!lines.Feed(bytes.substr(at, 97), take)) break;
  }
  protocol.OnEnd(nullptr, base::Millis{1}, random);
  if (const auto page = json.Parse(bytes)) {
    const base::JsonValue metadata = (*page)["metadata"];
    protocol.OnPage(metadata["resourceVersion"].String(), metadata["continue"].String());
  }
  protocol.Next();
  return 0;
}
