# The operator and the simulator on nothing but what they link. Runs as 65532 with a read-only root.
FROM debian:bookworm-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends \
      build-essential ca-certificates cmake ninja-build pkg-config \
      libboost-filesystem-dev libboost-log-dev libboost-program-options-dev libboost-system-dev \
      libboost-thread-dev libcpprest-dev libfmt-dev libgmock-dev libgtest-dev libsimdjson-dev \
      libssl-dev libyaml-cpp-dev prometheus-cpp-dev rapidjson-dev
COPY . /src
ARG REVISION=unknown
RUN cmake -S /src -B /build -G Ninja -DCMAKE_BUILD_TYPE=Release -DCVM_REVISION=$REVISION \
 && cmake --build /build --target cvm-retirement-operator cvm-simulator \
 && strip /build/bin/cvm-retirement-operator /build/bin/cvm-simulator
RUN mkdir -p /root-fs/etc/ssl/certs /root-fs/usr/bin \
 && cp /build/bin/cvm-retirement-operator /build/bin/cvm-simulator /root-fs/usr/bin/ \
 && ldd /build/bin/cvm-retirement-operator /build/bin/cvm-simulator \
      | grep -o '/[^ )]*' | grep -v ':$' | sort -u | xargs -I{} cp -L --parents {} /root-fs \
 && rm -rf /root-fs/build \
 && cp -L /etc/ssl/certs/ca-certificates.crt /root-fs/etc/ssl/certs/ \
 && echo 'nonroot:x:65532:65532::/:/nonexistent' > /root-fs/etc/passwd \
 && echo 'hosts: files dns' > /root-fs/etc/nsswitch.conf

FROM scratch
COPY --from=build /root-fs /
USER 65532:65532
ENV MALLOC_ARENA_MAX=2
ENTRYPOINT ["/usr/bin/cvm-retirement-operator"]
LABEL org.opencontainers.image.title="cvm-retirement-operator" \
      org.opencontainers.image.licenses="Apache-2.0"
