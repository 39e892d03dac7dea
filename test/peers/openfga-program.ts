// The program of OpenFGA: the one that `OPENFGA` names, or its Go module, which is built once.
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const VERSION = 'v1.22.1'
const FOLDER = fileURLToPath(new URL(`../../node_modules/.cache/openfga-${VERSION}/`, import.meta.url))

/** Its path; undefined when there is no Go to build it. The build takes some minutes. */
export function openfgaProgram (): string | undefined {
  const given = process.env['OPENFGA']
  if (given !== undefined && given !== '') return given
  const built = `${FOLDER}openfga`
  if (existsSync(built)) return built
  if (spawnSync('go', ['version']).error !== undefined) return undefined
  const env = { ...process.env, GOBIN: FOLDER, GOFLAGS: '-mod=mod' }
  execFileSync('go', ['install', `github.com/openfga/openfga/cmd/openfga@${VERSION}`], { stdio: 'inherit', env })
  return built
}
