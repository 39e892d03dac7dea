// Copies the project into .test/ with its TypeScript compiled beside it, for `npm test`. A test process then needs no loader, which takes most
// of the processor time of a short test. Types are blanked, so lines and columns stay those of the source.
import { cp, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { dirname, join, posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import { blankSourceFile } from 'ts-blank-space'
import ts from 'typescript'

const NOT_COPIED = new Set(['.git', '.tap', '.test', 'coverage', 'node_modules'])
/** What the package's names mean in the project itself: its sources. */
const { paths } = ts.readConfigFile(fileURLToPath(new URL('../tsconfig.json', import.meta.url)), ts.sys.readFile).config.compilerOptions

const compilerOptions = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext, verbatimModuleSyntax: true }

/** Makes the tree anew, and returns its path. */
export async function treeOf (root) {
  const tree = join(root, '.test')
  await rm(tree, { recursive: true, force: true })
  const { files, packages } = await contents(root, '')
  for (const file of files) await copy(root, tree, file)
  for (const folder of packages) await symlink(join(root, folder), join(tree, folder))
  return tree
}

/** The files below a folder, and its folders of installed packages. */
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
  return erasable ? withOwnImports(file, source, blanked) : ts.transpileModule(text, { fileName: file, compilerOptions }).outputText
}

/** Imports of the package by its name, replaced by imports of its sources, as `paths` in tsconfig.json says. */
function withOwnImports (file, source, output) {
  for (const statement of source.statements.toReversed()) {
    const specifier = ts.isImportDeclaration(statement) || ts.isExportDeclaration(statement) ? statement.moduleSpecifier : undefined
    const own = paths[specifier?.text]
    if (own === undefined || statement.importClause?.isTypeOnly) continue
    const target = posix.relative(posix.dirname(file), own[0].replace('./', '').replace(/\.ts$/, '.js'))
    output = `${output.slice(0, specifier.getStart())}'${target.startsWith('.') ? target : `./${target}`}'${output.slice(specifier.end)}`
  }
  return output
}
