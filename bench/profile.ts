// Where a server's processor time goes, by package: npm run bench -- --profile 'permit: no cache'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { OTHERS_PROCESSOR, SERVER_FLAGS, SERVER_PROCESSOR } from './http.js'
import { loadGenerator, pin, start, stop } from './processes.js'

interface Profile {
  nodes: Array<{ id: number, callFrame: { functionName: string, url: string } }>
  samples: number[]
  timeDeltas: number[]
}

export interface ProfileRow { what: string, share: number }

/** Shares of the time in which the server was not idle, of each package and of each folder of ours; what is below half a percent is left out. */
export async function profile (variant: string, seconds: number): Promise<ProfileRow[]> {
  const folder = await mkdtemp(join(tmpdir(), 'permit-profile-'))
  try {
    const load = await loadGenerator()
    await load.pin(OTHERS_PROCESSOR)
    const pdp = await start<{ port: number }>('./pdp.js')
    await pin(pdp.child, OTHERS_PROCESSOR)
    const server = await start<{ port: number }>('./server.js', [variant, `http://127.0.0.1:${pdp.hello.port}`], [...SERVER_FLAGS, '--cpu-prof', `--cpu-prof-dir=${folder}`, '--cpu-prof-interval=200'])
    await pin(server.child, SERVER_PROCESSOR)
    await load.run(server.hello.port, 64, seconds)
    server.child.disconnect()
    await once(server.child, 'exit')
    stop(pdp.child)
    load.stop()
    const [file = ''] = await readdir(folder)
    return sharesOf(JSON.parse(await readFile(join(folder, file), 'utf8')) as Profile)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function sharesOf ({ nodes, samples, timeDeltas }: Profile): ProfileRow[] {
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]))
  const times = new Map<string, number>()
  let busy = 0
  samples.forEach((sample, index) => {
    const frame = frames.get(sample)!
    if (frame.functionName === '(idle)') return
    const time = timeDeltas[index] ?? 0
    busy += time
    const what = ownerOf(frame)
    times.set(what, (times.get(what) ?? 0) + time)
  })
  return [...times].map(([what, time]) => ({ what, share: time / busy })).filter(({ share }) => share >= 0.005).sort((a, b) => b.share - a.share)
}

function ownerOf ({ functionName, url }: { functionName: string, url: string }): string {
  if (url.startsWith('node:')) return 'Node'
  const [, installed] = /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url) ?? []
  if (installed !== undefined && installed !== 'fastify-permit') return installed
  const [, own] = /\/dist\/(?:(\w+)\/)?[\w-]+\.js$/.exec(url) ?? []
  if (url.includes('/bench/dist/')) return 'the benchmark'
  if (own !== undefined) return `fastify-permit: ${own}`
  // Native code has no file: the system calls, the collector, the rest of V8.
  return functionName === '' ? '(native)' : functionName
}
