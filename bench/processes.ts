// Children of a benchmark: started, asked, and gone when it is over.
import { execFile, fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const children = new Set<ChildProcess>()

/** Starts a file of this folder and resolves with its first message. */
export async function start<T> (file: string, args: string[] = [], execArgv: string[] = []): Promise<{ child: ChildProcess, hello: T }> {
  const child = fork(fileURLToPath(new URL(file, import.meta.url)), args, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'], execArgv })
  children.add(child)
  const [hello] = await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(([code]) => { throw new Error(`${file} ${args[0] ?? ''} ended with ${code}`) })
  ])
  return { child, hello: hello as T }
}

/**
 * Keeps a process on one processor, where the system has a command for that: processors of one machine differ, those of a virtual one most, and which
 * one a process happens to be put on must not be what is compared.
 */
export async function pin (child: ChildProcess, processor: number): Promise<void> {
  await new Promise<void>(resolve => execFile('taskset', ['-a', '-p', '-c', String(processor), String(child.pid)], () => resolve()))
}

export function stop (child: ChildProcess): void {
  children.delete(child)
  child.kill()
}

export function stopAll (): void {
  for (const child of children) child.kill()
  children.clear()
}

export interface Load { total: number, requests: number, p50: number, p99: number, wrong: number }

/** One load generator, used for all: it is warm after the first round. */
export async function loadGenerator () {
  const { child } = await start('./load.js')
  return {
    async run (port: number, connections: number, seconds: number): Promise<Load> {
      child.send({ url: `http://127.0.0.1:${port}/`, connections, seconds })
      const [result] = await once(child, 'message') as [Load]
      return result
    },
    pin: (processor: number) => pin(child, processor),
    stop: () => stop(child)
  }
}
