// A real OpenFGA, in memory, on ports of its own.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import type { Test } from 'tap'
import { freePort } from '../support/free-port.js'

/** Its program, as main.ts has found it. */
const PROGRAM = process.env['OPENFGA'] ?? 'openfga'

export interface OpenfgaFlags {
  readonly token?: string
  readonly authzen?: boolean
  /** Further arguments. */
  readonly flags?: readonly string[]
}

/** A server that ends with the test. */
export async function openfga (t: Test, { token, authzen = true, flags = [] }: OpenfgaFlags = {}): Promise<{ readonly url: string, kill (): Promise<void> }> {
  const [http, grpc] = [await freePort(), await freePort()]
  const child = spawn(PROGRAM, [
    'run', ...(authzen ? ['--experimentals', 'authzen'] : []), '--http-addr', `127.0.0.1:${http}`, '--grpc-addr', `127.0.0.1:${grpc}`,
    '--playground-enabled=false', '--metrics-enabled=false', '--log-level', 'error',
    ...(token === undefined ? [] : ['--authn-method', 'preshared', '--authn-preshared-keys', token]), ...flags
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

/** What {@link openfgaWithDocuments} wants. */
export const TOKEN = 'the-token-of-openfga'

/** OpenFGA with the model and the tuples of docs/openfga.md. */
export async function openfgaWithDocuments (t: Test, flags: Omit<OpenfgaFlags, 'token'> = {}) {
  const { url, kill } = await openfga(t, { token: TOKEN, ...flags })
  async function call (path: string, body: object): Promise<Record<string, string>> {
    const answer = await fetch(url + path, { method: 'POST', headers: { authorization: `Bearer ${TOKEN}` }, body: JSON.stringify(body) })
    const read = await answer.json() as Record<string, string>
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${JSON.stringify(read)}`)
    return read
  }
  const fileOf = async (name: string) => JSON.parse(await readFile(new URL(`../../example-app/openfga/${name}`, import.meta.url), 'utf8')) as object
  const { id: store = '' } = await call('/stores', { name: 'my-app' })
  const { authorization_model_id: model = '' } = await call(`/stores/${store}/authorization-models`, await fileOf('model.json'))
  await call(`/stores/${store}/write`, await fileOf('tuples.json'))
  return { url, store, model, kill, call }
}

/** Creates a store, and returns its id. */
export async function storeOf (url: string): Promise<string> {
  const answer = await fetch(`${url}/stores`, { method: 'POST', body: JSON.stringify({ name: 'test' }) })
  const { id } = await answer.json() as { id: string }
  return id
}
