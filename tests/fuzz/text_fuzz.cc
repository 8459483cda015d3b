// Small texts from headers and fields: Retry-After, dates, durations, URLs, queries, base64.
#include <cstdlib>

#include "base/file.h"
#include "base/time.h"
#include "http/message.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  http::RetryAfter({{"Retry-After", std::string(text)}});
  base::ParseHttpDate(text);
  if (const auto time = base::ParseRfc3339(text)) {
    if (base::ParseRfc3339(base::FormatRfc3339(*time)) !=
        std::chrono::floor<std::chrono::seconds>(*time)) {
      std::abort();
    }
  }
  if (const auto duration = base::ParseDuration(text)) {
    if (base::ParseDuration(base::FormatDuration(*duration)) != *duration) std::abort();
  }
  (void)base::DecodeBase64(text);
  (void)http::ParseUrl(text);
  (void)http::ParseQuery(text);
  const auto decoded = http::PercentDecode(http::PercentEncode(text), false);
  if (!decoded || *decoded != text) std::abort();
  return 0;
}
