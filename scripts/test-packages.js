// Packages of many modules that nearly every test loads, each bundled for the tests in .test/: Node opens 900 files less for each.
import { existsSync, readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { build } from 'esbuild'

/** Below `node_modules`, where tap expects its own code: it leaves that out of stack traces. */
const FOLDER = 'node_modules/.cache/tests/node_modules'

const PACKAGES = {
  tap: { tap: 'dist/esm/index.js' },
  typebox: {
    typebox: 'build/index.mjs',
    'typebox/compile': 'build/compile/index.mjs',
    'typebox/value': 'build/value/index.mjs'
  }
}

/** For CommonJS in the bundles. */
const REQUIRE = "import { createRequire as requireFrom } from 'node:module'\nconst require = requireFrom(import.meta.url)"

/** Creates the bundles that are missing or of other versions. Returns the file of each import, relative to `root`. */
export async function bundlePackages (root) {
  const files = {}
  for (const [name, entries] of Object.entries(PACKAGES)) {
    const folder = join(FOLDER, name, versionOf(root, name))
    // There is no package.json beside them.
    for (const specifier of Object.keys(entries)) files[specifier] = `${join(folder, specifier)}.mjs`
    if (Object.keys(entries).every(specifier => existsSync(join(root, files[specifier])))) continue
    await rm(join(root, FOLDER, name), { recursive: true, force: true })
    await build({
      absWorkingDir: root,
      entryPoints: Object.fromEntries(Object.entries(entries).map(([specifier, file]) => [specifier, join('node_modules', name, file)])),
      outdir: folder,
      outExtension: { '.js': '.mjs' },
      bundle: true,
      splitting: true,
      format: 'esm',
      platform: 'node',
      target: 'node20',
      banner: { js: REQUIRE }
    })
  }
  return files
}

function versionOf (root, name) {
  return JSON.parse(readFileSync(join(root, 'node_modules', name, 'package.json'), 'utf8')).version
}
