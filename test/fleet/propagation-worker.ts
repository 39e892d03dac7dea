// An instance of `propagation.ts`: a real app with a cache, with requests all the time.
import Fastify from 'fastify'
import permit from '../../src/index.js'

export interface Setting { readonly pdp: string, readonly token: string, readonly bus: string, readonly requests: number }

export type Order =
  | { readonly what: 'allowed' | 'follow' | 'revoke', readonly user: string }
  | { readonly what: 'instances' | 'checks' }

const { pdp, token, bus, requests } = JSON.parse(process.argv[2] as string) as Setting
const now = (): number => performance.timeOrigin + performance.now()
const pause = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms))

const app = Fastify()
await app.register(permit, { pdp, token, cache: { ttl: 3_600_000 }, bus: { url: bus, secret: 'the secret of two instances', degradedTtl: 5_000 } })
app.get('/tasks', { config: { permit: 'task:read' } }, async () => 'tasks')
await app.ready()

let checks = 0
/** Of few users, so that most are hits. */
async function load (): Promise<void> {
  for (;;) {
    for (let index = 0; index < requests / 100; index++) {
      checks++
      app.permit.check(`load-${Math.floor(Math.random() * 1_000)}`, 'read', 'task').catch(() => {})
    }
    await pause(10)
  }
}

const check = (user: string): Promise<boolean> => app.permit.check(user, 'read', 'task')

process.on('message', async (order: Order) => {
  switch (order.what) {
    case 'instances':
      process.send?.((await app.permit.health()).bus?.instances)
      break
    case 'checks':
      process.send?.(checks)
      break
    case 'allowed':
      process.send?.(await check(order.user))
      break
    case 'revoke':
      await app.permit.write(app.permit.api.unassignRole(order.user, 'reader', 'default'))
      process.send?.(now())
      break
    case 'follow':
      while (await check(order.user)) await pause(1)
      process.send?.(now())
  }
})
process.on('disconnect', () => process.exit())
load().catch(() => {})
process.send?.('ready')
