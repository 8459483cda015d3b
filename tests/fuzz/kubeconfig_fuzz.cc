// Kubeconfig files. Paths lead nowhere.
#include "kube/config.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  if (text.find("/dev") != std::string::npos || text.find("/proc") != std::string::npos) return -1;
  (void)kube::ParseKubeconfig(text, "kubeconfig", "/nonexistent");
  return 0;
}
