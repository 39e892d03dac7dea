// A real Chromium without a window: the one of an npm package, so that a new machine has it, else one that is there.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createReadStream } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createBrotliDecompress } from 'node:zlib'
import { chromium, type Browser } from 'playwright-core'
import type { Test } from 'tap'

const ARGS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync',
  '--font-render-hinting=none'
]

interface Executable {
  readonly path: string
  /** A folder of shared libraries. */
  readonly libraries?: string
}

/** What to try, in this order. */
const EXECUTABLES: ReadonlyArray<(t: Pick<Test, 'teardown'>) => Promise<Executable>> = [
  async () => ({ path: await packagedPath() }),
  // A machine without the libraries that every desktop has: the package brings them along, for another system that has none.
  async t => ({ path: await packagedPath(), libraries: await packagedLibraries(t) }),
  async () => ({ path: process.env.CHROMIUM_PATH ?? '/usr/bin/chromium' })
]

/** A browser that goes when the test is over. Rejects when there is none: a test that needs one must not pass without. */
export async function browserFor (t: Pick<Test, 'teardown'>): Promise<Browser> {
  const failures: unknown[] = []
  for (const find of EXECUTABLES) {
    try {
      const { path, libraries } = await find(t)
      const browser = await chromium.launch({
        executablePath: path,
        args: ARGS,
        headless: true,
        ...libraries !== undefined && { env: { ...process.env as Record<string, string>, LD_LIBRARY_PATH: libraries } }
      })
      t.teardown(() => browser.close())
      return browser
    } catch (error) {
      failures.push(error)
    }
  }
  throw new AggregateError(failures, `no Chromium could be started: ${failures.map(String).join('\n')}`)
}

async function packagedPath (): Promise<string> {
  const { default: packaged } = await import('@sparticuz/chromium')
  return packaged.executablePath()
}

async function packagedLibraries (t: Pick<Test, 'teardown'>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'chromium-libraries-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const archive = join(dirname(createRequire(import.meta.url).resolve('@sparticuz/chromium')), '../../bin/al2023.tar.br')
  const tar = spawn('tar', ['-x', '-C', folder], { stdio: ['pipe', 'ignore', 'ignore'] })
  const [[code]] = await Promise.all([once(tar, 'close'), pipeline(createReadStream(archive), createBrotliDecompress(), tar.stdin)])
  if (code !== 0) throw new Error(`tar ended with ${code}`)
  return join(folder, 'lib')
}
