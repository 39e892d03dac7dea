// The transport under any mix of faults: everybody gets their own answer or an error, once, by the deadline, and nothing is left behind.
import type { ServerResponse } from 'node:http'
import fc from 'fast-check'
import t from 'tap'
import { PdpError } from '../../../src/contract/errors.js'
import { httpTransport } from '../../../src/pdp/http/transport.js'
import { pdpFor } from '../../support/app.js'
import { assertCounted } from '../../support/counted.js'
import { sendJson } from '../../support/fake-pdp.js'
import { until } from '../../support/replicas.js'

type Fault = 'none' | 'slow' | 'hang' | 'reset' | 'cut' | 'lie' | '500' | '503' | '429' | '403'

const DEADLINE = 250

function answer (fault: Fault, id: string, response: ServerResponse): void {
  const json = JSON.stringify({ id })
  switch (fault) {
    case 'none': return sendJson(response, 200, { id })
    case 'slow': setTimeout(() => sendJson(response, 200, { id }), 60); return
    case 'hang': return
    case 'reset': response.destroy(); return
    case 'cut':
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': String(json.length + 10) })
      response.write(json)
      setImmediate(() => response.destroy())
      return
    case 'lie': return sendJson(response, 200, { id: 7 })
    default: response.writeHead(Number(fault), fault === '429' ? { 'retry-after': '0' } : {}).end(json)
  }
}

const fault = fc.oneof({ weight: 6, arbitrary: fc.constant<Fault>('none') }, { weight: 5, arbitrary: fc.constantFrom<Fault>('slow', 'hang', 'reset', 'cut', 'lie', '500', '503', '429', '403') })

t.test('with any faults of replicas and any options, no answer is wrong or late', async t => {
  const faults: Fault[][] = []
  const asked: number[] = []
  const pdps = [0, 1, 2].map(which => pdpFor(t, {
    intercept: ({ url }, response) => {
      const list = faults[which]!
      answer(list[asked[which]!++ % list.length]!, url.slice(1), response)
      return true
    }
  }))
  const urls = (await Promise.all(pdps)).map(pdp => new URL(pdp.url))
  let answered = 0
  let failed = 0

  await assertCounted(fc.asyncProperty(
    fc.array(fc.array(fault, { minLength: 1, maxLength: 12 }), { minLength: 1, maxLength: 3 }),
    fc.record({ retries: fc.nat(2), hedge: fc.constantFrom<false | { percentile: number, min: number }>(false, { percentile: 50, min: 1 }), connections: fc.integer({ min: 1, max: 3 }) }),
    fc.boolean(),
    async (plan, options, breaker) => {
      faults.splice(0, Infinity, ...plan)
      asked.splice(0, Infinity, ...plan.map(() => 0))
      const probe = { method: 'GET', path: '/probe', read: () => {} } as const
      const transport = await httpTransport({
        url: urls.slice(0, plan.length),
        token: 'x',
        maxQueue: 20,
        maxResponseSize: 1_000,
        connectTimeout: DEADLINE,
        ...options,
        probe,
        breaker: breaker && { failures: 2, halfOpenAfter: 10 }
      })
      let settled = 0
      const start = performance.now()
      const asks = Array.from({ length: 30 }, async (_, index) => {
        await new Promise(resolve => setTimeout(resolve, index * 3))
        const began = performance.now()
        try {
          const id = await transport.send({
            method: 'GET',
            path: `/q${index}`,
            deadline: began + DEADLINE,
            read: body => {
              const { id } = body as { id: unknown }
              if (typeof id !== 'string') throw new PdpError('answer', 'no id')
              return id
            }
          })
          if (id !== `q${index}`) throw new Error(`q${index} was answered with ${id}`)
          answered++
        } catch (error) {
          if (!(error instanceof PdpError) || error.failure === 'abandoned') throw error
          failed++
        }
        const took = performance.now() - began
        if (took > DEADLINE + 400) throw new Error(`q${index} took ${took} ms`)
        settled++
      })
      await Promise.all(asks)
      if (settled !== 30) throw new Error(`${settled} settled`)
      // What was given up lets go of its connection soon afterwards.
      await until(() => transport.stats().inFlight === 0)
      const { requests, failures, replicas } = transport.stats()
      if (requests > 30 || failures > 30) throw new Error(`${requests} requests, ${failures} failures`)
      if (replicas.every(({ state }) => state === 'closed') && transport.slots.free !== plan.length * options.connections) throw new Error(`${transport.slots.free} are free`)
      await transport.close(performance.now())
      if (performance.now() - start > 3_000) throw new Error('it took too long')
    }), { numRuns: 25 }, () => t.ok(answered > 50, `${answered} were answered, ${failed} were not`))
})
