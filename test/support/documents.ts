// Documents that are tested as the code is: their snippets, their tables, and their files put where a user would have them.
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'

export const root = fileURLToPath(new URL('../../', import.meta.url))

export interface Snippet {
  /** The heading that it stands under. */
  readonly section: string
  readonly language: string
  readonly text: string
  /** The file that its first line names in a comment, such as `// routes/tasks.ts`. */
  readonly file: string | undefined
}

/** A document of the project. */
export function documentOf (path: string): Promise<string> {
  return readFile(join(root, path), 'utf8')
}

/** The fenced snippets of a document. */
export function snippetsOf (markdown: string): Snippet[] {
  const found: Snippet[] = []
  let section = ''
  for (const [, heading, language = '', text = ''] of markdown.matchAll(/^#+ (.+)$|^```(\w+)\n([^]*?)^```$/gm)) {
    if (heading !== undefined) section = heading
    else found.push({ section, language, text, file: /^(?:\/\/|#) ([\w./-]+\.\w+)$/m.exec(text.split('\n')[0] ?? '')?.[1] })
  }
  return found
}

/** The rows of the table whose first heading is `heading`, as cells. */
export function tableIn (document: string, heading: string): string[][] {
  const lines = document.split('\n')
  const start = lines.findIndex(line => line.startsWith(`| ${heading} |`))
  const rows = lines.slice(start + 2)
  return rows.slice(0, rows.findIndex(line => !line.startsWith('|'))).map(row =>
    row.slice(1, -1).split(/(?<!\\)\|/).map(cell => cell.trim().replaceAll('\\|', '|')))
}

/** What stands in backticks. */
export const code = (cell: string): string[] => [...cell.matchAll(/`([^`]+)`/g)].map(match => match[1] as string)

/** A folder within the project, so that what is in it finds its packages where a user's code does. It goes when the test is over. */
export async function folderWith (t: Test, files: Readonly<Record<string, string>>): Promise<string> {
  await mkdir(join(root, '.tap'), { recursive: true })
  const folder = await mkdtemp(join(root, '.tap', 'documents-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  for (const [name, text] of Object.entries(files)) {
    await mkdir(join(folder, dirname(name)), { recursive: true })
    await writeFile(join(folder, name), text)
  }
  return folder
}

/** All pages of the project that have snippets. */
export async function pages (): Promise<string[]> {
  const names = await Promise.all(['docs', 'docs/recipes'].map(async folder => (await readdir(join(root, folder))).map(name => `${folder}/${name}`)))
  return ['README.md', ...names.flat().filter(name => name.endsWith('.md')).sort()]
}

/** The TypeScript files of a page, by the name that their first line says, or by their number. */
export async function sourcesOf (page: string): Promise<Record<string, string>> {
  const files: Record<string, string> = {}
  const snippets = snippetsOf(await documentOf(page)).filter(({ language }) => language === 'ts')
  for (const [index, { file = `snippet-${index}.ts`, text }] of snippets.entries()) {
    if (file in files) throw new Error(`${page} has two files ${file}`)
    files[file] = text
  }
  return files
}

/** The README's permit.yaml. */
export async function readmePolicy (): Promise<string> {
  return snippetsOf(await documentOf('README.md')).find(({ language }) => language === 'yaml')?.text as string
}

/** Runs a snippet as the module that it is, beside the README's permit.yaml, and hands out its `app`. */
export async function appOfSnippet (t: Test, text: string, replace: Readonly<Record<string, string>> = {}): Promise<FastifyInstance> {
  const folder = await folderWith(t, { 'permit.yaml': await readmePolicy() })
  const file = join(folder, 'snippet.ts')
  let source = `${text}\nexport { app }\n`
  for (const [from, to] of Object.entries(replace)) {
    if (!source.includes(from)) throw new Error(`the snippet has no ${from} any more`)
    source = source.replace(from, to)
  }
  await writeFile(file, source)
  process.chdir(folder)
  t.teardown(() => process.chdir(root))
  const { app } = await import(pathToFileURL(file).href) as { app: FastifyInstance }
  t.teardown(() => app.close())
  return app
}
