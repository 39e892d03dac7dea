// Programs in Go that the tests run: the one that a variable names, or its module, which is built once.
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

interface GoProgram {
  readonly name: string
  /** The variable with the path of the program. */
  readonly variable: string
  readonly module: string
  readonly version: string
}

export const OPENFGA: GoProgram = { name: 'openfga', variable: 'OPENFGA', module: 'github.com/openfga/openfga/cmd/openfga', version: 'v1.22.1' }
export const OPA: GoProgram = { name: 'opa', variable: 'OPA', module: 'github.com/open-policy-agent/opa', version: 'v0.70.0' }

/** Its path; undefined when there is no Go to build it. The build takes some minutes. */
export function goProgram ({ name, variable, module, version }: GoProgram): string | undefined {
  const given = process.env[variable]
  if (given !== undefined && given !== '') return given
  const folder = fileURLToPath(new URL(`../../node_modules/.cache/${name}-${version}/`, import.meta.url))
  const built = `${folder}${name}`
  if (existsSync(built)) return built
  if (spawnSync('go', ['version']).error !== undefined) return undefined
  execFileSync('go', ['install', `${module}@${version}`], { stdio: 'inherit', env: { ...process.env, GOBIN: folder, GOFLAGS: '-mod=mod' } })
  return built
}
