// Checks per second by a real Cerbos server: this package by AuthZEN against Cerbos' own clients, on the same server, in turns.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { median } from './http.js'
import { start, stop } from './processes.js'

export interface CerbosRow {
  name: string
  /** Checks on their way at a time. */
  concurrency: number
  perSecond: number
  /** Checks per second of the first, against those of this one. */
  ratio: number
}

const CLIENTS = ['fastify-permit, AuthZEN', '@cerbos/http', '@cerbos/grpc']

const POLICY = `
apiVersion: api.cerbos.dev/v1
resourcePolicy:
  resource: task
  version: default
  rules:
    - { actions: [read], effect: EFFECT_ALLOW, roles: [viewer, editor, owner] }
    - { actions: [write], effect: EFFECT_ALLOW, roles: [editor, owner] }
    - { actions: [delete], effect: EFFECT_ALLOW, roles: [owner] }
`

/** Distinct checks, nothing remembered. Empty where the server is not to be had; it comes with the tests' packages. */
export async function measureCerbos (rounds: number, milliseconds: number, progress: (text: string) => void): Promise<CerbosRow[]> {
  const server = await startCerbos()
  if (server === undefined) {
    progress('there is no Cerbos for this platform')
    return []
  }
  try {
    const clients = []
    for (const name of CLIENTS) clients.push({ name, child: (await start('./cerbos-client.js', [name, server.http, server.grpc])).child })
    const rows: CerbosRow[] = []
    for (const concurrency of [64, 256]) {
      const rates = new Map<string, number[]>(CLIENTS.map(name => [name, []]))
      for (let round = -1; round < rounds; round++) {
        for (const { name, child } of round % 2 === 0 ? clients : clients.toReversed()) {
          child.send({ concurrency, milliseconds })
          const [rate] = await once(child, 'message') as [number]
          if (round >= 0) rates.get(name)!.push(rate)
          progress(`${concurrency} at a time, ${round === -1 ? 'warming up' : `round ${round + 1} of ${rounds}`}: ${name}: ${Math.round(rate)} checks/s`)
        }
      }
      const own = rates.get(CLIENTS[0]!)!
      for (const [name, all] of rates) rows.push({ name, concurrency, perSecond: median(all), ratio: median(own.map((rate, round) => rate / all[round]!)) })
    }
    for (const { child } of clients) stop(child)
    return rows
  } finally {
    server.stop()
  }
}

/** The faster of Cerbos' own clients, as the ratio against it. */
export function againstTheFaster (rows: readonly CerbosRow[], concurrency: number): number {
  return Math.min(...rows.filter(row => row.concurrency === concurrency && row.name !== CLIENTS[0]).map(({ ratio }) => ratio))
}

/** A Cerbos server with one policy; undefined where it is not to be had. */
export async function startCerbos (policy = POLICY) {
  let binary: string
  try {
    binary = createRequire(import.meta.url).resolve('@cerbos/cerbos-linux-x64')
  } catch {
    return undefined
  }
  const folder = mkdtempSync(join(tmpdir(), 'bench-cerbos-'))
  const [http, grpc] = [await freePort(), await freePort()]
  writeFileSync(join(folder, 'task.yaml'), policy)
  const config = join(folder, '.cerbos.json')
  writeFileSync(config, JSON.stringify({
    server: { httpListenAddr: `127.0.0.1:${http}`, grpcListenAddr: `127.0.0.1:${grpc}` },
    telemetry: { disabled: true },
    storage: { driver: 'disk', disk: { directory: folder, watchForChanges: false } }
  }))
  // Nothing of the environment, and nothing written for each request: a log would be measured, too.
  const child = spawn(binary, ['server', '--config', config, '--log-level', 'error'], { env: { HOME: folder, CERBOS_NO_TELEMETRY: '1' }, stdio: ['ignore', 'ignore', 'inherit'] })
  const stopServer = () => {
    child.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  }
  process.once('exit', stopServer)
  const url = `http://127.0.0.1:${http}`
  while (!await fetch(`${url}/_cerbos/health`).then(answer => answer.ok, () => false)) {
    if (child.exitCode !== null) throw new Error('Cerbos ended')
    await delay(50)
  }
  return { http: url, grpc: `127.0.0.1:${grpc}`, stop: stopServer }
}

export async function freePort (): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
