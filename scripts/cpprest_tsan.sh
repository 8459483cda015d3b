#!/usr/bin/env bash
# Builds cpprestsdk with TSan, once, from the source that belongs to the distribution's package, and
# prints the folder of its CMake configuration. Without it TSan sees half of every hand-over between
# threads, and reports what is no race.
set -euo pipefail
version=2.10.18
checksum=6bd74a637ff182144b6a4271227ea8b6b3ea92389f88b25b215e6f94fd4d41cb
home="${XDG_CACHE_HOME:-$HOME/.cache}/cvm-retirement-operator/cpprest-$version-tsan"
config="$home/installed/lib/cmake/cpprestsdk"
if [ ! -d "$config" ]; then
  # The source lies beside the package, wherever this machine gets its packages from.
  package=$(apt-get download --print-uris libcpprest-dev | cut -d"'" -f2)
  mkdir -p "$home"
  curl -fsS --retry 3 -o "$home/source.tar.gz" "$(dirname "$package")/cpprest_$version.orig.tar.gz" >&2
  echo "$checksum  $home/source.tar.gz" | sha256sum --check --quiet >&2
  tar -xzf "$home/source.tar.gz" -C "$home"
  cmake -G Ninja -S "$home/cpprestsdk-$version/Release" -B "$home/build" \
    -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCMAKE_C_COMPILER=clang-14 -DCMAKE_CXX_COMPILER=clang++-14 \
    -DCMAKE_CXX_FLAGS="-fsanitize=thread -O1" -DWERROR=OFF -DBUILD_TESTS=OFF -DBUILD_SAMPLES=OFF \
    -DCPPREST_EXCLUDE_WEBSOCKETS=ON -DCPPREST_EXCLUDE_COMPRESSION=ON \
    -DCMAKE_INSTALL_PREFIX="$home/installed" > "$home/configure.log" 2>&1
  cmake --build "$home/build" -j "$(nproc)" --target install > "$home/build.log" 2>&1 || {
    tail -20 "$home/build.log" >&2
    exit 1
  }
fi
echo "$config"
