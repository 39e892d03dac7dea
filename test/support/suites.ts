// Runs test files under another Node, or with other packages, and says what failed.
import { spawn } from 'node:child_process'
import { delimiter } from 'node:path'
import { root } from './documents.js'

export interface Suite {
  readonly name: string
  /** Files and folders of tests; all of them where there are none. */
  readonly files: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** The folder of the `node` that runs them. */
  readonly node?: string
  /** What is to be checked besides; returns what is wrong. */
  readonly check?: () => Promise<readonly string[]>
}

export interface Outcome {
  readonly code: number | null
  readonly output: string
}

/** One after the other, since each uses the whole machine. The process ends with 1 when anything has failed. */
export async function runSuites (suites: readonly Suite[]): Promise<void> {
  const failed: string[] = []
  for (const suite of suites) {
    const start = performance.now()
    const { assertions, failures: failedTests } = await run(suite)
    const failures = [...failedTests, ...await suite.check?.() ?? []]
    console.log(`${failures.length === 0 ? 'ok' : 'not ok'} - ${suite.name} # ${assertions} assertions, ${Math.round((performance.now() - start) / 1_000)} s`)
    for (const failure of failures) console.log(failure.replaceAll(/^/gm, '    '))
    if (failures.length > 0) failed.push(suite.name)
  }
  console.log(failed.length === 0 ? `\nAll ${suites.length} of these runs passed.` : `\n${failed.length} of ${suites.length} runs failed: ${failed.join('; ')}`)
  process.exitCode = failed.length === 0 ? 0 : 1
}

/** How many assertions there were, and of each test that failed what it said. */
async function run ({ files, env = {}, node }: Suite): Promise<{ assertions: number, failures: readonly string[] }> {
  const path: Record<string, string> = node === undefined ? {} : { PATH: `${node}${delimiter}${process.env.PATH ?? ''}` }
  const { code, output } = await execute('node', ['scripts/test-run.js', ...files], { ...env, ...path })
  const assertions = Number(/^# \{ total: (\d+)/m.exec(output.slice(output.lastIndexOf('\n# {') + 1))?.[1] ?? 0)
  if (code === 0 && assertions > 0) return { assertions, failures: [] }
  const failures = output.split(/^(?=(?:not )?ok |# Subtest: )/m).filter(part => /^ *not ok/m.test(part))
  // A run that ended before a test could fail, or without any, says why in other words.
  return { assertions, failures: failures.length === 0 ? [output.slice(-5_000)] : failures.map(failure => failure.split('\n').filter(line => !/^ *ok \d/.test(line)).slice(0, 80).join('\n')) }
}

/** Runs a command in the project's folder to its end. */
export function execute (command: string, args: readonly string[], env: Readonly<Record<string, string>>): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (chunk: string) => { output += chunk })
    child.once('error', reject).once('close', code => resolve({ code, output }))
  })
}
