// What a process loads, by package: the modules that Node opens, one and the same on every machine.
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** Prints what was loaded by the end of the process, as the last line. */
const PRELUDE = `
import Module, { register } from 'node:module'
import { MessageChannel, receiveMessageOnPort } from 'node:worker_threads'
const { port1, port2 } = new MessageChannel()
port1.unref()
register('data:text/javascript,' + encodeURIComponent(\`
let port
export function initialize ({ given }) { port = given }
export async function load (url, context, next) {
  const loaded = await next(url, context)
  port.postMessage(url)
  return loaded
}\`), { data: { given: port2 }, transferList: [port2] })
process.on('exit', () => {
  const urls = new Set(Object.keys(Module._cache).map(path => 'file://' + path))
  for (let message; (message = receiveMessageOnPort(port1)) !== undefined;) urls.add(message.message)
  console.log('\\n' + JSON.stringify([...urls].filter(url => url.startsWith('file:'))))
})
`

/** What the test runner puts into every process. */
const RUNNER = ['fromentries', 'pirates', 'process-on-spawn']

/** How many modules of each package `file` loads; those of this package by their names below dist/. */
export async function modulesLoaded (file: string, args: readonly string[]): Promise<{ packages: Record<string, number>, own: string[] }> {
  const { stdout } = await run(process.execPath, ['--import', `data:text/javascript,${encodeURIComponent(PRELUDE)}`, file, ...args], { env: { PATH: process.env.PATH } })
  const urls = JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '[]') as string[]
  const packages: Record<string, number> = {}
  const own: string[] = []
  for (const url of urls) {
    const name = /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url)?.[1]
    const ours = /\/dist\/([^?]+)$/.exec(url)?.[1]
    if (name !== undefined && RUNNER.includes(name)) continue
    if (name !== undefined) packages[name] = (packages[name] ?? 0) + 1
    else if (ours !== undefined) own.push(ours)
  }
  return { packages, own: own.sort() }
}
