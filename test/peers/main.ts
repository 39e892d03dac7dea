// `npm run test:peers`: the tests against PDPs of others, real ones.
import { goProgram, OPA, OPENFGA } from './go-program.js'

async function run (): Promise<void> {
  for (const [program, tests] of [
    [OPENFGA, ['./push-to-openfga.js', './every-peer.js', './openfga-requests.js']],
    // The last, so that its build delays nothing.
    [OPA, ['./opa-without-data.js']]
  ] as const) {
    const path = goProgram(program)
    if (path === undefined) {
      console.error(`${program.name} was not found, and neither was Go, which builds it. Install Go (https://go.dev/dl), or set ${program.variable} to the path of the program`)
      process.exitCode = 1
      return
    }
    process.env[program.variable] = path
    for (const test of tests) await import(test)
  }
}

await run()
