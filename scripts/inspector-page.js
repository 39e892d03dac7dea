// Bundles the inspector's page into dist/inspector/: one script and one style sheet.
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = fileURLToPath(new URL('..', import.meta.url))

/** Writes page.js and page.css. */
export async function writeInspectorPage () {
  await build({
    absWorkingDir: root,
    entryPoints: { page: 'src/inspector/page/page-main.ts' },
    outdir: 'dist/inspector',
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    legalComments: 'none',
    logLevel: 'warning'
  })
}
