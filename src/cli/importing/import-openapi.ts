// `fastify-permit import openapi`: the resource types and actions of an app's OpenAPI document, as the beginning of a policy.
import { basename } from 'node:path'
import { PolicyError } from '../../engine/policy/problems.js'
import { parseJson } from '../../environment/file/json-file.js'
import { readText } from '../../environment/file/text-file.js'
import { isRecord } from '../../kit/is-record.js'
import { UsageError } from '../terminal/command.js'
import { FileError } from '../terminal/file-error.js'
import type { Terminal } from '../terminal/terminal.js'
import { note, refuseAll, writeImported, type ImportTarget } from './imported-file.js'

/** Size limit, bytes. */
const MAX_BYTES = 16 * 1024 * 1024

const WORDS = {
  noun: 'document',
  begin: "an OpenAPI document begins with 'openapi: 3.…'",
  shorten: 'remove what has no x-permit-action'
}

/**
 * Imports a document, JSON or YAML.
 *
 * @throws `FileError` when it has no permission, or one that a policy cannot have
 */
export async function importFromOpenApi (files: readonly string[], target: ImportTarget, terminal: Terminal): Promise<void> {
  const [file] = files
  if (file === undefined || files.length > 1) throw new UsageError('give the document: import openapi openapi.json')
  const text = await readText(file, MAX_BYTES, WORDS)
  const options = { file, maxBytes: MAX_BYTES, words: WORDS }
  const parsed = parseJson(text, options) ?? (await import('../../environment/file/yaml-file.js')).parseYaml(text, options)
  if (parsed.duplicates.length > 0) throw new PolicyError(parsed.duplicates)
  const version = isRecord(parsed.value) ? parsed.value['openapi'] ?? parsed.value['swagger'] : undefined
  if (typeof version !== 'string' || !/^[23]\.\d/.test(version)) {
    throw new FileError(`${file}: this is not an OpenAPI document: it has no 'openapi: 3.…'`)
  }

  const { importOpenApi } = await import('../../moving/openapi/openapi-import.js')
  const { resources, guarded, silent, partly, refused } = importOpenApi(parsed.value)
  const placed = parsed.locate(refused.map(({ path, name, reason }) => ({ path, message: name, hint: reason })))
  refuseAll('a policy cannot have these permissions, and nothing was written:', placed.map(({ message, hint, line = 1 }) =>
    ({ file, line, name: message, reason: hint })))
  const types = Object.values(resources)
  if (types.length === 0) {
    throw new FileError(`${file}: no operation has an x-permit-action; fastify-permit writes it for guarded routes (docs/openapi.md)`)
  }
  const comments = [
    `What the operations of ${basename(file)} require. A document does not say who has these permissions, so nobody has them yet:`,
    'write roles, users and role assignments. For a start:',
    '',
    '  roles:',
    "    admin: { permissions: ['*'] }",
    '  users:',
    '    ann@example.com:',
    '  role_assignments:',
    '    - { user: ann@example.com, role: admin }'
  ]
  await writeImported({ schema: { resources }, facts: undefined, permit: {} }, comments, target, terminal)
  const actions = types.reduce((sum, { actions }) => sum + Object.keys(actions).length, 0)
  const counts = [count(types.length, 'resource type'), count(actions, 'action'), count(guarded, 'operation')] as const
  terminal.err([`Imported ${counts[0]} and ${counts[1]} of ${counts[2]}; write the roles`])
  note(terminal, 'these operations also depend on what only the app knows (a function, a URL mapping rule):', partly)
  note(terminal, 'these operations say nothing: they are public, or a function says what they require:', silent)
}

function count (number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}
