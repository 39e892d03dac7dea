# The example app in a container, for docker-compose.yml.
FROM node:20-slim

WORKDIR /app

# The dependencies first: they change less often than the code.
COPY package.json package-lock.json ./
RUN npm ci

COPY tsconfig.json ./
COPY src ./src
COPY example-app ./example-app

# Within the container every interface; which address it is published on is for whoever runs it to say.
ENV HOST=0.0.0.0 PORT=3000
EXPOSE 3000

USER node

HEALTHCHECK --interval=10s --timeout=3s --start-period=15s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/healthz`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]

# Node itself and not npm, so that the signal to stop arrives at the app.
CMD ["node", "--import", "tsx", "example-app/main.ts"]
