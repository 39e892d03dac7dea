// `npm run test:fleet`: the tests that need a real Redis, or Valkey with `REDIS_SERVER=valkey-server`.
import { hasRedis } from './servers.js'

if (hasRedis()) {
  await import('./redis.js')
} else {
  console.error('redis-server was not found. Install it and run this again: ' +
    'apt-get install redis-server (Debian, Ubuntu), brew install redis (macOS)')
  process.exitCode = 1
}
