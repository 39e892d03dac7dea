// `fastify-permit import casbin`: the files of casbin as a policy with the same decisions.
import { basename } from 'node:path'
import { readText } from '../../environment/file/text-file.js'
import type { CasbinImport, Renamed } from '../../moving/casbin/casbin-import.js'
import { UsageError } from '../terminal/command.js'
import { progressOn } from '../terminal/progress.js'
import type { Terminal } from '../terminal/terminal.js'
import { note, refuseAll, writeImported, type ImportTarget } from './imported-file.js'

/** Size limits, bytes. */
const MAX_MODEL_BYTES = 256 * 1024
const MAX_POLICY_BYTES = 32 * 1024 * 1024

const POLICY_WORDS = { noun: 'policy', begin: '', shorten: 'write its users by the write API instead' }

const REFUSED = 'a policy file cannot say this as casbin does, and nothing was written:'

/**
 * Imports a model and a policy.
 *
 * @throws `FileError` with everything that cannot be imported
 */
export async function importFromCasbin (
  files: readonly string[], target: ImportTarget & { readonly users: readonly string[] }, terminal: Terminal
): Promise<void> {
  const [modelFile, policyFile] = files
  if (modelFile === undefined || policyFile === undefined || files.length > 2) {
    throw new UsageError('give the two files of casbin: import casbin model.conf policy.csv')
  }
  const { readCasbinModel } = await import('../../moving/casbin/casbin-model.js')
  const { readCasbinPolicy } = await import('../../moving/casbin/casbin-policy.js')
  const { importCasbin } = await import('../../moving/casbin/casbin-import.js')
  const modelText = await readText(modelFile, MAX_MODEL_BYTES, { noun: 'model', begin: '', shorten: 'a model of casbin is much smaller' })
  const { model, refused } = readCasbinModel(modelText, modelFile)
  refuseAll(REFUSED, refused)
  if (model === undefined) throw new Error('a model that is not refused was not read')
  const text = await readText(policyFile, MAX_POLICY_BYTES, POLICY_WORDS)
  const policy = readCasbinPolicy(text, policyFile, model, progressOn(terminal, 'lines'))
  refuseAll(REFUSED, policy.refused)
  const { imported, refused: notSaid } = importCasbin(model, policy, { file: policyFile, users: target.users })
  refuseAll(REFUSED, notSaid)
  if (imported === undefined) throw new Error('a policy that is not refused was not imported')
  const { schema, facts } = imported
  const comments = [`Imported from casbin's ${basename(modelFile)} and ${basename(policyFile)}.`]
  await writeImported({ schema, facts, permit: {} }, comments, target, terminal)
  report(imported, policy.ignored, policyFile, terminal)
}

const KINDS: Readonly<Record<Renamed['kind'], string>> = { resource: 'resource type', action: 'action', role: 'role' }

function report (
  { schema, facts, renamed, notUsers, rolesOfTheirOwn, withoutMembers }: CasbinImport,
  ignored: readonly number[], file: string, terminal: Terminal
): void {
  const counts = [
    [Object.keys(schema.resources ?? {}).length, 'resource type'],
    [Object.keys(schema.roles ?? {}).length, 'role'],
    [facts.tenants.length, 'tenant'],
    [facts.users.length, 'user'],
    [facts.assignments.length, 'role assignment']
  ] as const
  terminal.err([`Imported ${counts.map(([count, noun]) => `${count} ${noun}${count === 1 ? '' : 's'}`).join(', ')}`])
  const names = renamed.map(({ kind, name, key }) => `${KINDS[kind]} ${name}: ${key}`)
  note(terminal, 'these names are not keys of a policy; ask with the keys:', names)
  note(terminal, 'these roles have roles. casbin also takes them for users; if one is, give --user <name>:', notUsers)
  const alone = 'these have rules and are in no line g: each is a user with a role of that name. If one is only a role, delete its user:'
  note(terminal, alone, rolesOfTheirOwn)
  note(terminal, 'these have rules and are in no line g: each is a role that nobody has:', withoutMembers)
  note(terminal, 'casbin ignores these lines, because the model does not define their type:', ignored.map(line => `${file}:${line}`))
}
