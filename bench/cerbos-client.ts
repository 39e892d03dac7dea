// One way to ask a Cerbos server in a process of its own: this package by AuthZEN, or one of Cerbos' own clients, on the same questions.
import { GRPC } from '@cerbos/grpc'
import { HTTP } from '@cerbos/http'
import Fastify from 'fastify'
import permit from 'fastify-permit'

interface Question { user: string, role: string, action: string, key: string }
type Ask = (question: Question) => Promise<boolean>

const USERS = 500
const ACTIONS = ['read', 'write', 'delete']
/** What bench/cerbos.ts has told Cerbos. */
const ROLES: Record<string, readonly string[]> = { viewer: ['read'], editor: ['read', 'write'], owner: ACTIONS }
const NAMES = Object.keys(ROLES)

/** No two are the same: each is about a resource of its own. */
function questionAt (index: number): Question {
  const user = index % USERS
  return { user: `user${user}@example.com`, role: NAMES[user % NAMES.length]!, action: ACTIONS[Math.floor(index / USERS) % ACTIONS.length]!, key: String(index) }
}

const [name = '', http = '', grpc = ''] = process.argv.slice(2)

const CLIENTS: Record<string, () => Promise<Ask>> = {
  async 'fastify-permit, AuthZEN' () {
    const app = Fastify()
    await app.register(permit, { pdp: http, protocol: 'authzen', cache: false, timeout: 10_000 })
    return ({ user, role, action, key }) => app.permit.check({ key: user, attributes: { 'cerbos.roles': [role] } }, action, { type: 'task', key })
  },
  '@cerbos/http': async () => byClient(new HTTP(http)),
  '@cerbos/grpc': async () => byClient(new GRPC(grpc, { tls: false }))
}

function byClient (client: GRPC | HTTP): Ask {
  return ({ user, role, action, key }) => client.isAllowed({ principal: { id: user, roles: [role] }, resource: { kind: 'task', id: key, attr: { tenant: 'default' } }, action })
}

const ask = await CLIENTS[name]!()
let asked = 0

/** Checks per second with so many on their way at a time. */
async function rate (concurrency: number, milliseconds: number): Promise<number> {
  const first = asked
  const start = performance.now()
  const end = start + milliseconds
  await Promise.all(Array.from({ length: concurrency }, async () => {
    while (performance.now() < end) await ask(questionAt(asked++))
  }))
  return (asked - first) / (performance.now() - start) * 1000
}

// Answers first, one by one and many at a time.
const questions = Array.from({ length: 2_000 }, () => questionAt(asked++))
const expected = questions.map(({ role, action }) => ROLES[role]!.includes(action))
for (const [index, question] of questions.slice(0, 200).entries()) {
  if (await ask(question) !== expected[index]) throw new Error(`${name} decides ${JSON.stringify(question)} differently`)
}
const together = await Promise.all(questions.map(ask))
if (together.some((answer, index) => answer !== expected[index])) throw new Error(`${name} decides differently when asked for many at a time`)

process.on('message', async ({ concurrency, milliseconds }: { concurrency: number, milliseconds: number }) => process.send?.(await rate(concurrency, milliseconds)))
process.on('disconnect', () => process.exit())
process.send?.({ ready: true })
