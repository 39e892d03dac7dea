// Runs the tests on other versions of Node than that of `npm test`: `npm run test:nodes`; of one version, or some files, with `-- 24 test/guard`.
import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { root } from '../support/documents.js'
import { runSuites, type Suite } from '../support/suites.js'

const PACKAGES = join(root, 'test/nodes/packages/node_modules')

/**
 * What is tested of each version; everything where nothing is named. On the oldest it is what users get: the package, and the enforcement.
 */
const VERSIONS: Readonly<Record<string, readonly string[]>> = {
  '20.19.0': ['test/package.test.ts', 'test/fastify', 'test/express', 'test/guard', 'test/environment', 'test/cli/process.test.ts'],
  22: [],
  24: []
}

const wanted = process.argv.slice(2)
const files = wanted.filter(argument => !(argument in VERSIONS))
const versions = Object.keys(VERSIONS).filter(version => wanted.length === files.length || wanted.includes(version))
for (const file of files) await access(join(root, file))

await runSuites(versions.map((version): Suite => ({
  name: `Node ${version}`,
  files: files.length > 0 ? files : VERSIONS[version] ?? [],
  node: join(PACKAGES, `node-${version}`, 'bin')
})))
