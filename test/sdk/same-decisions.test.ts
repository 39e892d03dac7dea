// Moving from the embedded PDP to a local one over HTTP is one line: random policies, facts and queries are decided alike.
import Fastify from 'fastify'
import fc from 'fast-check'
import t from 'tap'
import permit, { type ContextInput, type PermitOptions, type ResourceInput, type UserInput } from '../../src/index.js'
import { createLocalPdp } from '../../src/server/index.js'
import { ALL_QUERIES, policy, query, USERS } from '../engine/arbitraries.js'
import { TOKEN } from './support.js'
import type { EngineQuery } from '../../src/engine/engine-query.js'
import { assertCounted } from '../support/counted.js'

// Each run opens an app, a PDP and a socket of its own.
const runs = Number(process.env['PROPERTY_RUNS'] ?? 300) / 10

async function appWith (options: PermitOptions) {
  const app = Fastify()
  await app.register(permit, { cache: false, ...options })
  return app
}

function ask (app: Awaited<ReturnType<typeof appWith>>, { user, action, resource, context }: EngineQuery) {
  return app.permit.explain(user as UserInput, action, resource as ResourceInput, { context: context as ContextInput | undefined })
}

t.test('the same policy decides the same, embedded and over HTTP', async t => {
  let decided = 0
  let allowed = 0
  await assertCounted(fc.asyncProperty(policy, fc.array(query, { minLength: 10, maxLength: 20 }), async (policy, queries) => {
    const pdp = createLocalPdp({ policy, token: TOKEN })
    const embedded = await appWith({ policy })
    const remote = await appWith({ pdp: await pdp.listen({ port: 0 }), token: TOKEN })
    try {
      const asked = [...queries, ...ALL_QUERIES]
      const [here, there] = await Promise.all([embedded, remote].map(app => Promise.all(asked.map(query => ask(app, query)))))
      for (const [index, query] of asked.entries()) {
        const [ours, theirs] = [here?.[index], there?.[index]].map(explanation => `${explanation?.allow} ${explanation?.code}`)
        if (ours !== theirs) throw new Error(`${JSON.stringify(query)}: embedded ${ours}, over HTTP ${theirs}`)
        decided++
        if (here?.[index]?.allow === true) allowed++
      }
      for (const user of USERS) {
        const [ours, theirs] = [await embedded.permit.permissions(user), await remote.permit.permissions(user)]
        if (JSON.stringify(ours) !== JSON.stringify(theirs)) throw new Error(`permissions of ${user}: embedded ${JSON.stringify(ours)}, over HTTP ${JSON.stringify(theirs)}`)
      }
    } finally {
      await Promise.all([embedded.close(), remote.close()])
      await pdp.close()
    }
  }), { numRuns: runs, endOnFailure: true }, () => {
    t.comment(`${decided} decisions, ${allowed} yes`)
    t.ok(allowed > decided / 50, 'enough of the answers are yes for the test to mean something')
  })
})
