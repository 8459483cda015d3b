// Reading whole files.

#pragma once

#include <string>

#include "base/result.h"

namespace base {

/// The content of a file of at most 16 MiB. An error names the file and why.
Result<std::string> ReadFile(const std::string& path);

/// The standard base64 alphabet with padding; blanks and line breaks are skipped.
Result<std::string> DecodeBase64(std::string_view text);

}  // namespace base
