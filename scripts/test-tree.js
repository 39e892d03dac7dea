// Copies the project into .test/ with compiled TypeScript, for `npm test`. So test processes need no loader, which takes most of the
// processor time of a short test. Types are replaced by blanks, so lines and columns stay the same.
import { cp, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { dirname, join, posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import { blankSourceFile } from 'ts-blank-space'
import ts from 'typescript'
import { bundlePackages } from './test-packages.js'

const NOT_COPIED = new Set(['.git', '.tap', '.test', 'coverage', 'node_modules'])
/** The source files for imports by the package's names. */
const { paths } = ts.readConfigFile(fileURLToPath(new URL('../tsconfig.json', import.meta.url)), ts.sys.readFile).config.compilerOptions
/** The file for an import, relative to the tree. */
const replaced = Object.fromEntries(Object.entries(paths).map(([name, [file]]) => [name, file.replace('./', '').replace(/\.ts$/, '.js')]))

const compilerOptions = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext, verbatimModuleSyntax: true }

/** Creates the tree again, and returns its path. */
export async function treeOf (root) {
  const tree = join(root, '.test')
  await rm(tree, { recursive: true, force: true })
  Object.assign(replaced, await bundlePackages(root))
  const { files, packages } = await contents(root, '')
  for (const file of files) await copy(root, tree, file)
  for (const folder of packages) await symlink(join(root, folder), join(tree, folder))
  return tree
}

/** The files below a folder, and its folders with installed packages. */
async function contents (root, folder) {
  const found = { files: [], packages: [] }
  for (const entry of await readdir(join(root, folder), { withFileTypes: true })) {
    const path = posix.join(folder, entry.name)
    if (entry.name === 'node_modules') found.packages.push(path)
    if (NOT_COPIED.has(entry.name)) continue
    if (!entry.isDirectory()) {
      found.files.push(path)
      continue
    }
    const below = await contents(root, path)
    found.files.push(...below.files)
    found.packages.push(...below.packages)
  }
  return found
}

async function copy (root, tree, file) {
  await mkdir(dirname(join(tree, file)), { recursive: true })
  await cp(join(root, file), join(tree, file))
  if (!file.endsWith('.ts') || file.endsWith('.d.ts') || file.startsWith('dist/')) return
  await writeFile(join(tree, file.replace(/\.ts$/, '.js')), compiled(file, await readFile(join(root, file), 'utf8')))
}

function compiled (file, text) {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.ESNext, true)
  let erasable = true
  const blanked = blankSourceFile(source, () => { erasable = false })
  return erasable ? withReplacedImports(file, source, blanked) : ts.transpileModule(text, { fileName: file, compilerOptions }).outputText
}

/** Replaces imports of this package by those of its sources, according to `paths` in tsconfig.json, and imports of bundled packages. */
function withReplacedImports (file, source, output) {
  for (const statement of source.statements.toReversed()) {
    const specifier = ts.isImportDeclaration(statement) || ts.isExportDeclaration(statement) ? statement.moduleSpecifier : undefined
    const target = Object.hasOwn(replaced, specifier?.text) ? replaced[specifier.text] : undefined
    if (target === undefined || statement.importClause?.isTypeOnly) continue
    const path = posix.relative(posix.dirname(file), target)
    output = `${output.slice(0, specifier.getStart())}'${path.startsWith('.') ? path : `./${path}`}'${output.slice(specifier.end)}`
  }
  return output
}
