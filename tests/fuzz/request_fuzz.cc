// Requests to our servers: the API and the admin endpoint of the simulator. The first byte chooses
// the form, the first line is the target.
#include "simulator/service.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  simulator::Seed seed;
  seed.identities.push_back(*cvm::MakeCredentials("AKIDsimulator", "secret-of-the-simulator", ""));
  simulator::Service service(seed, 1);
  const std::string text(reinterpret_cast<const char*>(data + 1), size - 1);
  const size_t line = std::min(text.find('\n'), text.size());
  http::ServerRequest request;
  request.method = data[0] % 2 ? "POST" : "GET";
  request.target = text.substr(0, line);
  request.body = line < text.size() ? text.substr(line + 1) : "";
  request.headers = {
      {"Content-Type", data[0] % 3 ? "application/json" : "application/x-www-form-urlencoded"},
      {"X-TC-Action", "DescribeInstances"},
      {"Authorization", request.target}};
  service.Handle(request, {base::Mono{}, base::Wall{}});
  return 0;
}
