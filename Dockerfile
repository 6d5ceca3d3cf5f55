# The service alone; Redis and MySQL are containers of their own (docker-compose.yml). The version of Bun is
# pinned in .bun-version: a test and the first step below see that the image is of that version.

FROM oven/bun:1.4.5-slim AS dependencies
WORKDIR /app
COPY .bun-version package.json bun.lock ./
RUN test "$(bun --version)" = "$(cat .bun-version)"
RUN bun install --frozen-lockfile --production --ignore-scripts

FROM oven/bun:1.4.5-slim AS service
WORKDIR /app
ENV NODE_ENV=production
COPY --from=dependencies /app/node_modules node_modules
COPY package.json ./
COPY drizzle drizzle
COPY src src
USER bun
EXPOSE 20080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=3s --start-period=60s --retries=3 \
  CMD ["bun", "-e", "process.exit((await fetch(`http://127.0.0.1:${process.env.PORT ?? 20080}/readyz`)).ok ? 0 : 1)"]
CMD ["bun", "src/main.ts"]
