# The images of server, worker and Lambda functions. BuildKit, buildah and podman build
# them:
#
#     docker build --build-arg VERSION=$(git describe --tags --always) -t claimcheck .
#     docker build --build-arg VERSION=$(git describe --tags --always) --target=worker -t claimcheck-worker .
#     docker run --read-only --env-file=env -p 8080:8080 claimcheck            # the server
#     docker run --read-only --env-file=env claimcheck-worker                  # a worker
#     docker build --target=lambda --platform=linux/arm64 --provenance=false -t claimcheck-lambda .
#
# Nothing writes to the file system, with one exception: a worker whose PROCESSOR is a
# command (exec:...) gives each run a folder of its own in TMPDIR, so mount a tmpfs on
# /tmp. Such a worker needs an image of yours that has the command in it:
#
#     FROM docker.io/library/debian:13-slim
#     RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates imagemagick
#     COPY --from=claimcheck-worker /worker /
#     USER 65532:65532
#     CMD ["/worker"]

ARG GO_IMAGE=docker.io/library/golang:1.26
ARG BASE_IMAGE=gcr.io/distroless/static-debian13:nonroot

FROM --platform=$BUILDPLATFORM ${GO_IMAGE} AS build
WORKDIR /src
COPY . .
ARG TARGETOS TARGETARCH
ARG VERSION=devel
# Such as "otlp" or "otlp,logapi"; the exporters are large, so no image has them by itself.
ARG TAGS=
ENV CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    go build -trimpath -tags "$TAGS" -ldflags "-s -w -X claimcheck.example/internal/app.stamped=$VERSION" \
    -o /out/ ./cmd/server ./cmd/worker

FROM build AS build-lambda
ARG VERSION=devel
ARG TAGS=
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    go build -trimpath -tags "lambda.norpc,$TAGS" -ldflags "-s -w -X claimcheck.example/internal/app.stamped=$VERSION" \
    -o /out-lambda/ ./cmd/lambda

# The vips engine, with the libraries that it loads. It is built on the machine that it is
# for, since it is no Go alone.
FROM ${GO_IMAGE} AS engine
RUN pkg-config --exists 'vips >= 8.14' || { \
      apt-get update && \
      apt-get install -y --no-install-recommends gcc libc6-dev libvips-dev pkg-config && \
      { apt-get install -y --no-install-recommends libheif-plugin-aomenc libheif-plugin-dav1d libheif-plugin-libde265 || \
        true; } && \
      rm -rf /var/lib/apt/lists/*; \
    }
WORKDIR /src
COPY . .
ARG VERSION=devel
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=1 go build -trimpath -tags vips -ldflags "-s -w -X main.version=$VERSION" -o /out/ ./cmd/imaging && \
    cmd/imaging/libraries /out/imaging /root-of-worker

FROM ${BASE_IMAGE} AS base
ARG VERSION=devel
ARG REVISION=
LABEL org.opencontainers.image.title="Claimcheck" \
      org.opencontainers.image.description="A durable job API in front of whatever turns an image into a result" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
USER 65532:65532

# Apart from the other two, which need not carry it: Lambda takes its images from a
# registry of its own.
FROM base AS lambda
COPY --from=build-lambda /out-lambda/ /
ENTRYPOINT ["/lambda"]

FROM base AS worker
COPY --from=engine /root-of-worker/ /
COPY --from=build /out/worker /
CMD ["/worker"]

FROM base AS server
COPY --from=build /out/server /
EXPOSE 8080
CMD ["/server"]
