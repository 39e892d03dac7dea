// One app that a real OpenFGA guards, in a process of its own: by this package, or by OpenFGA's own SDK in a hook. All else is the same.
import type { AddressInfo } from 'node:net'
import { OpenFgaClient } from '@openfga/sdk'
import Fastify, { type FastifyInstance, type FastifyRequest } from 'fastify'
import permit from 'fastify-permit'
import { questionAt, type OpenfgaAppSettings, type Question } from './openfga-world.js'

declare module 'fastify' {
  interface FastifyRequest { question: Question }
}

const { variant, url, store, model, different } = JSON.parse(process.argv[2] ?? '{}') as OpenfgaAppSettings

/** How many questions are asked before anything is measured, a multiple of 50. */
const PROVEN = 1_000

type Check = (question: Question) => Promise<boolean>

const app = Fastify()
let asked = 0
app.decorateRequest('question', null as never)
app.addHook('onRequest', (request, _reply, done) => {
  request.question = questionAt(asked++ % different)
  done()
})
const handler = async () => ({ hello: 'world' })

const check = variant === '@openfga/sdk in a hook' ? bySdk(app) : await byPermit(app)
await app.ready()
await prove(check)
await app.listen({ port: 0, host: '127.0.0.1' })
process.send?.({ port: (app.server.address() as AddressInfo).port })
process.on('message', () => {
  const { user, system } = process.cpuUsage()
  process.send?.(user + system)
})
process.on('disconnect', () => process.exit())

async function byPermit (app: FastifyInstance): Promise<Check> {
  await app.register(permit, {
    pdp: url,
    token: 'none',
    timeout: 10_000,
    authzen: { preset: 'openfga', store, model },
    user: request => request.question.user,
    cache: variant === 'permit: warm cache' ? { ttl: 3_600_000 } : false
  })
  const resource = ({ question: { key, tenant } }: FastifyRequest) => ({ type: 'document', key, tenant })
  app.get('/', { config: { permit: { action: 'read', resource } } }, handler)
  return ({ user, tenant, key }) => app.permit.check(user, 'read', { type: 'document', key, tenant })
}

function bySdk (app: FastifyInstance): Check {
  const client = new OpenFgaClient({ apiUrl: url, storeId: store, authorizationModelId: model })
  const check: Check = async ({ user, tenant, key }) =>
    (await client.check({ user: `user:${user}`, relation: 'read', object: `document:${tenant}/${key}` })).allowed === true
  app.get('/', {
    preHandler: async (request, reply) => {
      if (!await check(request.question)) return reply.code(403).send()
    }
  }, handler)
  return check
}

/** Answers first: of each question yes, and no to the same about the next tenant. A cache is warm then. */
async function prove (check: Check): Promise<void> {
  for (let from = 0; from < Math.min(different, PROVEN); from += 50) {
    const questions = Array.from({ length: 50 }, (_, index) => questionAt(from + index))
    const answers = await Promise.all(questions.map(check))
    const elsewhere = await Promise.all(questions.slice(0, 10).map((question, index) => check({ ...question, tenant: questionAt(from + index + 1).tenant })))
    if (!answers.every(Boolean) || elsewhere.some(Boolean)) throw new Error(`${variant} decides differently`)
  }
}
