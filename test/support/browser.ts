// A real Chromium without a window: the one of an npm package, so that a new machine has it, else one that is there.
import { access } from 'node:fs/promises'
import { chromium, type Browser } from 'playwright-core'
import type { Test } from 'tap'

const ARGS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync',
  '--font-render-hinting=none'
]

/** Paths to try, in this order. */
async function * executables (): AsyncGenerator<string> {
  const { default: packaged } = await import('@sparticuz/chromium')
  yield packaged.executablePath()
  if (process.env.CHROMIUM_PATH !== undefined) yield process.env.CHROMIUM_PATH
  yield '/usr/bin/chromium'
}

/** A browser that goes when the test is over. Rejects when there is none: a test that needs one must not pass without. */
export async function browserFor (t: Test): Promise<Browser> {
  const failures: unknown[] = []
  for await (const executablePath of executables()) {
    try {
      await access(executablePath)
      const browser = await chromium.launch({ executablePath, args: ARGS, headless: true })
      t.teardown(() => browser.close())
      return browser
    } catch (error) {
      failures.push(error)
    }
  }
  throw new AggregateError(failures, 'no Chromium could be started')
}
