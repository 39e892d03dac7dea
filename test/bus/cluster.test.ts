// The bus between the processes of a real node:cluster. Its parent runs no code of ours, and the process that passes messages on may be killed.
import { fork } from 'node:child_process'
import { statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { revocablePdp, until } from '../fleet/two-instances.js'
import type { Answered, Asked } from './cluster-app.js'

// Compiled, or with the loader that this test runs with.
const app = fileURLToPath(import.meta.url).replace(/cluster\.test(?=\.\w+$)/, 'cluster-app')

t.test('three workers follow the writes of one another, also after the worker that forwards messages was killed', async t => {
  const { pdp, allowed } = await revocablePdp(t)
  const primary = fork(app, { env: { ...process.env, PDP_URL: pdp.url, PDP_TOKEN: pdp.token } })
  t.teardown(() => { if (primary.connected) primary.disconnect() })
  const waiting = new Map<number, (answer: Answered) => void>()
  primary.on('message', (answer: Answered) => waiting.get(answer.id)?.(answer))
  let next = 0
  const ask = (worker: number, what: Asked['what'], user = ''): Promise<Answered> => new Promise(resolve => {
    const id = next++
    waiting.set(id, resolve)
    primary.send({ id, worker, what, user })
  })
  const instances = async (worker: number) => ((await ask(worker, 'health')).value as { bus: { ok: boolean, instances: number, silent: number } }).bus
  // A worker that is starting does not listen yet.
  await until(async () => await Promise.race([instances(0).then(({ instances }) => instances === 3), new Promise<boolean>(resolve => setTimeout(resolve, 200, false))]), 60_000)
  await until(async () => (await instances(1)).instances === 3 && (await instances(2)).instances === 3)
  if (process.platform !== 'win32') {
    t.equal(statSync(join(tmpdir(), `fastify-permit-${process.getuid?.()}`)).mode & 0o777, 0o700, 'no other user reaches the socket')
  }

  const times: number[] = []
  for (let index = 0; index < 50; index++) {
    const user = `user-${index}`
    allowed.add(user)
    t.equal((await ask(1, 'check', user)).value, true)
    await ask(0, 'revoke', user)
    const resolved = performance.now()
    while ((await ask(1, 'check', user)).value === true);
    times.push(performance.now() - resolved)
  }
  times.sort((x, y) => x - y)
  t.comment(`cluster, with the way of the question: B follows after p50 ${times[25]?.toFixed(1)} ms, p99 ${times[49]?.toFixed(1)} ms`)
  // The promise, 99 of 100 within 50 ms, is for a machine that has time: four processes share this one with other tests.
  t.ok((times[25] as number) < 200)

  // Whichever it is that listens: after each has been killed, it was.
  for (const killed of [0, 1]) {
    ask(killed, 'exit').catch(() => {})
    const [reader, writer] = killed === 0 ? [1, 2] : [2, 2]
    await until(async () => (await instances(reader)).ok)
    const user = `later-${killed}`
    allowed.add(user)
    await ask(reader, 'check', user)
    await ask(writer, 'revoke', user)
    // The killed one may still write, as far as the others know: they limit the age of decisions.
    await until(async () => (await ask(reader, 'check', user)).value === false, 1_000)
  }
  await until(async () => (await instances(2)).ok)
  t.pass('the last one is a bus by itself')
})
