// Starts the example app, and prints requests to try.
import { buildApp } from './app.js'
import { whatToTry } from './what-to-try.js'

const app = await buildApp({ logger: { level: process.env.LOG_LEVEL ?? 'warn' } })

// The first signal lets requests in flight finish; the second ends the process.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => app.close())

const url = await app.listen({
  port: Number(process.env.PORT ?? 3000),
  host: process.env.HOST ?? '127.0.0.1'
})

const credentials = '{"email":"ada@example.com","password":"ada"}'
const login = `curl -s ${url}/login -H 'content-type: application/json' -d '${credentials}'`
const readToken = "node -pe 'JSON.parse(fs.readFileSync(0)).token'"

console.log(whatToTry(url, await app.permit.health(), `  TOKEN=$(${login} | ${readToken})
  curl ${url}/tenants/default/tasks -H "authorization: Bearer $TOKEN"
    200: ada@example.com is an admin in the tenant default

  curl "${url}/tenants/default/tasks?page=2&size=1" -H "authorization: Bearer $TOKEN"
    200: the second page of her list

  curl ${url}/tenants/tenant2/tasks -H "authorization: Bearer $TOKEN"
    403: she has no role in tenant2

Other users: victor@example.com (viewer in default), tess@example.com (admin in tenant2) and noel@example.com
(no role anywhere); the password is the part before the @. All routes, to try in a browser: ${url}/docs`))
