// A real OpenFGA, in memory, on ports of its own.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Test } from 'tap'
import { freePort } from '../support/free-port.js'

/** Its program, as main.ts has found it. */
const PROGRAM = process.env['OPENFGA'] ?? 'openfga'

/** A server that ends with the test. */
export async function openfga (t: Test, { token, authzen = true }: { token?: string, authzen?: boolean } = {}): Promise<{ readonly url: string, kill (): Promise<void> }> {
  const [http, grpc] = [await freePort(), await freePort()]
  const child = spawn(PROGRAM, [
    'run', ...(authzen ? ['--experimentals', 'authzen'] : []), '--http-addr', `127.0.0.1:${http}`, '--grpc-addr', `127.0.0.1:${grpc}`,
    '--playground-enabled=false', '--metrics-enabled=false', '--log-level', 'error',
    ...(token === undefined ? [] : ['--authn-method', 'preshared', '--authn-preshared-keys', token])
  ], { stdio: ['ignore', 'ignore', 'inherit'] })
  const ended = once(child, 'exit')
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL')
    await ended.catch(() => {})
  }
  t.teardown(kill)
  const url = `http://127.0.0.1:${http}`
  const failed = ended.then(([code]) => { throw new Error(`${PROGRAM} ended with ${String(code)}`) })
  await Promise.race([failed, ready(url)])
  failed.catch(() => {})
  return { url, kill }
}

async function ready (url: string): Promise<void> {
  for (;;) {
    try {
      if ((await fetch(`${url}/healthz`)).ok) return
    } catch {
      await new Promise(resolve => setTimeout(resolve, 50))
    }
  }
}

/** Creates a store, and returns its id. */
export async function storeOf (url: string): Promise<string> {
  const answer = await fetch(`${url}/stores`, { method: 'POST', body: JSON.stringify({ name: 'test' }) })
  const { id } = await answer.json() as { id: string }
  return id
}
