#include <fmt/format.h>

#include <boost/program_options.hpp>
#include <csignal>
#include <iostream>

#include "base/clock.h"
#include "base/file.h"
#include "base/random.h"
#include "http/server.h"
#include "simulator/service.h"

namespace {

namespace po = boost::program_options;
constexpr int kBadUsage = 2;
// A whole DescribeInstances or admin request; a thousand clients may stay connected.
constexpr http::ServerLimits kLimits{32u << 10, 1u << 20, 1024, base::Millis{60'000}};

struct Options {
  std::string address = "127.0.0.1:0";
  std::string seed_file;
  bool help = false;
  std::string text;
  std::string error;
};

Options Parse(int argc, char** argv) {
  Options o;
  po::options_description d(
      "cvm-simulator --seed FILE.yaml [--address HOST:PORT]\n\n"
      "Speaks TerminateInstances and DescribeInstances of the CVM API (2017-03-12) on instances "
      "that\n"
      "exist in memory only. GET /admin/calls shows what was called, POST /admin/faults makes it\n"
      "fail; docs/simulator.md describes both and the seed file.\n\nFlags");
  auto add = d.add_options();
  add("help", "show this text");
  add("address", po::value(&o.address), "HOST:PORT to listen on (127.0.0.1 and a free port)");
  add("seed", po::value(&o.seed_file), "YAML FILE with credentials and instances");
  o.text = fmt::format("{}", [&] {
    std::ostringstream s;
    s << d;
    return s.str();
  }());
  try {
    po::variables_map flags;
    po::store(po::command_line_parser(argc, argv).options(d).run(), flags);
    po::notify(flags);
    o.help = flags.count("help") > 0;
  } catch (const po::error& e) {
    o.error = e.what();
  }
  if (!o.help && o.error.empty() && o.seed_file.empty()) o.error = "--seed is required";
  return o;
}

int Fail(const std::string& message) {
  fmt::print(stderr, "{}\n", message);
  return kBadUsage;
}

}  // namespace

int main(int argc, char** argv) {
  const Options o = Parse(argc, argv);
  if (o.help) {
    fmt::print("{}\n", o.text);
    return 0;
  }
  if (!o.error.empty()) return Fail(o.error + "; see --help");
  const auto text = base::ReadFile(o.seed_file);
  if (!text) return Fail(text.error().message);
  auto seed = simulator::ReadSeed(*text, o.seed_file);
  if (!seed) return Fail(seed.error().message);

  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  simulator::Service service(*std::move(seed), base::RandomSeed());
  auto server = http::Server::Start(o.address, kLimits, [&](const http::ServerRequest& request) {
    return service.Handle(request, base::ReadClock());
  });
  if (!server) return Fail(server.error().message);
  fmt::print("cvm-simulator listens on port {}\n", (*server)->port());
  std::fflush(stdout);
  int signal = 0;
  sigwait(&signals, &signal);
  return 0;
}
