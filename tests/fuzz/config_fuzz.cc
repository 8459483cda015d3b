// The operator's configuration file.
#include <sys/mman.h>
#include <unistd.h>

#include "app/config.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const int file = memfd_create("config", 0);
  const bool written = write(file, data, size) == ssize_t(size);
  if (written) app::ParseCommandLine({"--config", "/proc/self/fd/" + std::to_string(file)});
  close(file);
  return 0;
}
