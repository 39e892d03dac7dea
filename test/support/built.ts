// The compiled package, which `npm test` has built: processes of their own start several times faster from it than from the sources.
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** The path of a file of dist/, for example `cli/main.js`. */
export function built (name: string): string {
  const path = fileURLToPath(new URL(`../../dist/${name}`, import.meta.url))
  if (!existsSync(path)) throw new Error(`dist/${name} is not there: run "npm run build" first`)
  return path
}
