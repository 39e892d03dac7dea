// The real Cerbos server for tests: with the policies of the test, on a socket of its own, gone when the test is over.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { createRequire } from 'node:module'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Test } from 'tap'

/** The server's binary; undefined on a platform that has none. */
export const binary = find('@cerbos/cerbos-linux-x64')

export interface CerbosOptions {
  /** A folder of policies, or the policies as YAML. */
  readonly policies: string | readonly string[]
  /** Resources of one principal, and actions on one of them, in one batch; default: 50, Cerbos' own. */
  readonly limit?: number
}

export interface Cerbos {
  /** Its URL: everything that is sent there arrives at Cerbos as it is. */
  readonly url: string
  /** The Unix socket on which it speaks HTTP. */
  readonly socketPath: string
  /** Ends it as a crash would. */
  kill (): Promise<void>
  /** Starts it anew, at the same URL. */
  restart (): Promise<void>
}

/**
 * Starts Cerbos and waits until it is ready. It listens on Unix sockets only, so that no port can be taken already; in front of it a
 * server of this process passes bytes on. It reports to nobody, and asks nobody.
 */
export async function startCerbos (t: Test, { policies, limit = 50 }: CerbosOptions): Promise<Cerbos> {
  if (binary === undefined) throw new Error('the Cerbos server is not installed')
  const file = binary
  const folder = await mkdtemp(join(tmpdir(), 'cerbos-'))
  const socketPath = join(folder, 'http.sock')
  const directory = join(folder, 'policies')
  if (typeof policies === 'string') {
    await cp(policies, directory, { recursive: true })
  } else {
    await mkdir(directory)
    for (const [index, policy] of policies.entries()) await writeFile(join(directory, `policy-${index}.yaml`), policy)
  }
  await writeFile(join(folder, 'cerbos.yaml'), JSON.stringify({
    server: {
      httpListenAddr: `unix:${socketPath}`,
      grpcListenAddr: `unix:${join(folder, 'grpc.sock')}`,
      requestLimits: { maxActionsPerResource: limit, maxResourcesPerRequest: limit }
    },
    telemetry: { disabled: true },
    storage: { driver: 'disk', disk: { directory, watchForChanges: false } }
  }))

  let server = await launch()
  // Last in, first out: the process ends before its folder goes.
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  t.teardown(() => server.kill())

  const sockets = new Set<Socket>()
  const front = createServer(socket => {
    const cerbos = connect(socketPath)
    for (const [one, other] of [[socket, cerbos], [cerbos, socket]] as const) {
      sockets.add(one)
      one.on('error', () => other.destroy())
      one.on('close', () => { sockets.delete(one); other.destroy() })
      one.pipe(other)
    }
  })
  front.listen(0, '127.0.0.1')
  await once(front, 'listening')
  t.teardown(() => {
    front.close()
    for (const socket of sockets) socket.destroy()
  })

  async function launch () {
    const child = spawn(file, ['server', '--config', join(folder, 'cerbos.yaml'), '--log-level', 'error'], {
      // Nothing of the environment: it could name somebody to report to.
      env: { HOME: folder, CERBOS_NO_TELEMETRY: '1' },
      stdio: ['ignore', 'pipe', 'pipe']
    })
    const end = () => { child.kill('SIGKILL') }
    process.once('exit', end)
    let said = ''
    for (const output of [child.stdout, child.stderr]) output.on('data', (chunk: Buffer) => { said += chunk })
    const exited = once(child, 'exit').finally(() => process.off('exit', end))
    const running = () => child.exitCode === null && child.signalCode === null
    while (!await isReady(socketPath)) {
      if (!running()) throw new Error(`Cerbos ended: ${said}`)
      await delay(20)
    }
    return {
      async kill () {
        end()
        await exited
      }
    }
  }

  return {
    url: `http://127.0.0.1:${(front.address() as AddressInfo).port}`,
    socketPath,
    kill: () => server.kill(),
    async restart () { server = await launch() }
  }
}

function isReady (socketPath: string): Promise<boolean> {
  return new Promise(resolve => {
    request({ socketPath, path: '/_cerbos/health' }, response => {
      response.resume()
      resolve(response.statusCode === 200)
    }).on('error', () => resolve(false)).end()
  })
}

function find (name: string): string | undefined {
  try {
    return createRequire(import.meta.url).resolve(name)
  } catch {
    return undefined
  }
}
