// The quickstart as an Express app in one file, with the same policy, users and PDP as the Fastify app.
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import express, { type NextFunction, type Request, type Response } from 'express'
import { guard, permit } from 'fastify-permit/express'
import { findPerson } from './people.js'
import { seed } from './seed.js'
import { Tasks } from './tasks.js'
import { whatToTry } from './what-to-try.js'

const app = express()
const tasks = await Tasks.open()

const authz = permit({
  // With PERMIT_PDP_URL (and PERMIT_API_KEY) in the environment that PDP decides, otherwise the embedded PDP with permit.yaml.
  policy: process.env.PERMIT_PDP_URL ? undefined : fileURLToPath(new URL('./permit.yaml', import.meta.url)),
  user: request => userOf(request),
  tenant: request => request.params.tenant,
  // What is decided, and why: a page at /_permit, for this machine only. In production it would need a guard.
  inspector: process.env.NODE_ENV !== 'production'
})
app.use(authz)

app.get('/', async (_request, response) => {
  // The tenant is `default` when the resource names none.
  const permitted = await authz.permit.check('john@smith.com', 'retrieve', 'task')
  response.status(permitted ? 200 : 403).json({ result: `John Smith is ${permitted ? '' : 'NOT '}PERMITTED to retrieve task!` })
})

app.get('/tenant2', async (_request, response) => {
  const permitted = await authz.permit.check('john@smith.com', 'create', { type: 'task', tenant: 'tenant2' })
  response.status(permitted ? 200 : 403).json({ result: `John Smith is ${permitted ? '' : 'NOT '}PERMITTED to create task (tenant 2)!` })
})

// Each route declares its permission; no handler checks the user.
app.get('/tenants/:tenant/tasks', guard('task:list'), async (request, response) => {
  const page = numberIn(request, 'page', 1, 1_000_000)
  const size = numberIn(request, 'size', 20, 100)
  // Which tasks the user may see, as a condition for the database. Permit's container has to be told that no set rule is about tasks.
  const plan = await request.permit.plan('retrieve', 'task', { conditions: 'none' })
  response.json(await tasks.page(plan, page, size))
})

app.get('/tenants/:tenant/tasks/:id', guard({ action: 'retrieve', resource: 'task:{id}' }), async (request, response, next) => {
  const task = await tasks.find(request.params.tenant, request.params.id)
  if (task === undefined) next()
  else response.json(task)
})

app.delete('/tenants/:tenant/tasks/:id', guard({ action: 'delete', resource: 'task:{id}' }), async (request, response, next) => {
  if (await tasks.delete(request.params.tenant, request.params.id)) response.status(204).end()
  else next()
})

// The tasks that the user may see, in every tenant, with one check for each task.
app.get('/tasks', async (request, response) => {
  response.json(await request.permit.filter('retrieve', await tasks.all(), ({ id, tenant }) => ({ type: 'task', key: id, tenant })))
})

app.use((_request, response) => { response.status(404).json({ message: 'Not found.' }) })

interface HttpError extends Error { status?: number, code?: string, headers?: Record<string, string> }

app.use((error: HttpError, _request: Request, response: Response, next: NextFunction) => {
  if (response.headersSent) {
    next(error)
    return
  }
  const { status = 500, code, headers = {}, message } = error
  // Internal errors are hidden from the client.
  const isPublic = code?.startsWith('FST_PERMIT_') || status < 500
  response.status(status).set(headers).json({ code, message: isPublic ? message : 'Something went wrong.' })
})

function urlOf ({ family, address, port }: AddressInfo): string {
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`
}

/** A whole number of the query string, from 1. */
function numberIn ({ query }: Request, name: string, byDefault: number, most: number): number {
  const number = Number(query[name] ?? byDefault)
  if (Number.isInteger(number) && number >= 1 && number <= most) return number
  throw Object.assign(new Error(`${name} must be a whole number from 1 to ${most}.`), { status: 400 })
}

/** Basic authentication, only for this demo: a real service uses an identity provider. */
function userOf ({ headers: { authorization = '' } }: Request): string | undefined {
  const [, encoded] = /^Basic (\S+)$/.exec(authorization) ?? []
  const [email = '', password = ''] = Buffer.from(encoded ?? '', 'base64').toString().split(':')
  return findPerson(email, password)?.email
}

await authz.ready()
// The app also starts without its PDP. Until the PDP is available, guarded routes answer 503.
await seed(authz).catch((error: unknown) => console.error('The users could not be written to the PDP.', error))

const server = app.listen(Number(process.env.PORT ?? 3000), process.env.HOST ?? '127.0.0.1', async () => {
  const address = server.address()
  const url = typeof address === 'object' && address !== null ? urlOf(address) : String(address)
  console.log(whatToTry(url, await authz.permit.health(), `  curl -u victor@example.com:victor ${url}/tenants/default/tasks/1
    200: victor@example.com is a viewer in the tenant default

  curl -u victor@example.com:victor "${url}/tenants/default/tasks?page=2&size=1"
    200: the second page of his list

  curl -X DELETE -u victor@example.com:victor ${url}/tenants/default/tasks/1
    403: a viewer may not delete

  curl -u ada@example.com:ada ${url}/tenants/tenant2/tasks
    403: ada@example.com is an admin, but not in tenant2

The same with Fastify, and more: npm start`, 'Express'))
})
// Closes the connections to the PDP when the server has closed.
authz.closeWith(server)
server.once('close', () => tasks.close())
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => server.close())
