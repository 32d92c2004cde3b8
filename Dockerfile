# The image of all services: docker build --tag tote:VERSION --build-arg VERSION=... . (and REVISION, SOURCE).
# With buildx --platform linux/amd64,linux/arm64 for both; `npm run image` makes the same file system without Docker.
FROM node:24-bookworm-slim AS build
RUN apt-get update \
  && apt-get install --yes --no-install-recommends ca-certificates \
  && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund
COPY LICENSE tote.ts ./
COPY agent agent
COPY build build
COPY controller controller
COPY lib lib
COPY proto/gen proto/gen
COPY webhook-relay webhook-relay
RUN node build/image/rootfs.ts /rootfs

FROM scratch
ARG VERSION=0.1.0
ARG REVISION=""
ARG SOURCE=""
COPY --from=build /rootfs/system /
COPY --from=build /rootfs/dependencies /
COPY --from=build /rootfs/app /
LABEL org.opencontainers.image.title="tote" \
  org.opencontainers.image.description="Emergency image salvage for Kubernetes: moves images node to node when the registry is gone" \
  org.opencontainers.image.licenses="MIT" \
  org.opencontainers.image.version="${VERSION}" \
  org.opencontainers.image.revision="${REVISION}" \
  org.opencontainers.image.source="${SOURCE}"
ENV PATH=/usr/local/bin
ENV UV_THREADPOOL_SIZE=64
WORKDIR /
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/tote"]
