// What diff and push do with `--to openfga`.
import type { FgaModel, Refused } from '../../moving/openfga/fga-model.js'
import { fgaModel } from '../../moving/openfga/fga-model.js'
import { planFga, type FgaPlan } from '../../moving/openfga/fga-plan.js'
import { FgaStore } from '../../moving/openfga/fga-store.js'
import { fgaTuples, tupleKey, type FgaTuple, type PlacedTuple } from '../../moving/openfga/fga-tuples.js'
import { MovingError } from '../../moving/moving-error.js'
import type { PolicyToMove } from '../../moving/policy-files.js'
import { EXIT, UsageError } from '../terminal/command.js'
import { FileError } from '../terminal/file-error.js'
import { no } from '../terminal/styled-line.js'
import { progressOn } from '../terminal/progress.js'
import { confirmed, unchanged } from '../terminal/confirm.js'
import type { Terminal } from '../terminal/terminal.js'
import type { DifferenceOptions } from './difference.js'
import { planLines, summaryOf, type PlanReport } from './plan-report.js'
import { connectionOf, type RemoteOptions } from './remote-options.js'

/** OpenFGA on this machine, at the default address of its own command. */
const LOCAL = 'http://localhost:8080'

/** The most refusals that are listed. */
const MAX_REFUSED = 50

/** The options of the commands. */
export interface FgaOptions extends RemoteOptions, DifferenceOptions {
  readonly store?: string | undefined
}

/** A policy in OpenFGA's terms. */
export interface Translation {
  readonly model: FgaModel
  readonly tuples: ReadonlyMap<string, PlacedTuple>
}

/**
 * Translates a policy, before anything is sent.
 *
 * @throws {@link FileError} with everything that OpenFGA would decide differently from the PDP
 */
export function translated ({ file, compiled, model, linesOf }: PolicyToMove, facts: boolean): Translation {
  const { model: fga, inTenants, refused } = fgaModel(compiled)
  const none = { tuples: new Map<string, PlacedTuple>(), refused: [] }
  const said = facts && model.facts !== undefined ? fgaTuples(model.facts, inTenants) : none
  const all = [...refused, ...said.refused]
  if (all.length > 0) throw new FileError(refusals(file, all, linesOf))
  return { model: fga, tuples: said.tuples }
}

function refusals (file: string, refused: readonly Refused[], linesOf: PolicyToMove['linesOf']): string {
  const some = refused.slice(0, MAX_REFUSED)
  const lines = linesOf(some.map(({ path }) => path))
  return [
    'Nothing was written, because OpenFGA cannot decide this as the PDP does:',
    ...some.map(({ name, reason }, index) => `${file}${lines[index] === undefined ? '' : `:${lines[index]}`}: ${name}: ${reason}`),
    ...(refused.length > MAX_REFUSED ? [`… and ${refused.length - MAX_REFUSED} more`] : [])
  ].join('\n')
}

/**
 * Runs with a connection to the store, which is closed at the end.
 *
 * @throws {@link UsageError} when an option is wrong
 */
export async function withStore<R> (options: FgaOptions, { env }: Terminal, run: (store: FgaStore) => Promise<R>): Promise<R> {
  const connection = connectionOf(options, env, { url: 'FGA_API_URL', key: 'FGA_API_TOKEN', otherwise: LOCAL })
  const id = options.store ?? env['FGA_STORE_ID']
  if (id === undefined) throw new UsageError('there is no store; give --store or set FGA_STORE_ID')
  if (!/^[0-9A-Z]{26}$/.test(id)) throw new UsageError('--store (FGA_STORE_ID) must be the id of a store: 26 digits and capital letters')
  const names = { url: '--api-url or FGA_API_URL', key: '--api-key or FGA_API_TOKEN' }
  const store = await FgaStore.open({ ...connection, options: names }, id)
  try {
    return await run(store)
  } finally {
    await store.close()
  }
}

/** The plan that makes the store match the file. */
export async function fgaDifference (
  store: FgaStore, { file, linesOf }: PolicyToMove, { model, tuples }: Translation, { facts, prune }: DifferenceOptions, terminal: Terminal
): Promise<{ readonly plan: FgaPlan, readonly report: PlanReport }> {
  const progress = progressOn(terminal, 'tuples read')
  let read = 0
  const latest = await store.model()
  const existing = facts ? await store.tuples(count => progress(read += count)) : undefined
  const plan = planFga(model, tuples, { model: latest?.model, tuples: existing }, { prune })
  return { plan, report: reportOf(file, linesOf, plan) }
}

function reportOf (file: string, linesOf: PolicyToMove['linesOf'], { model, writes, deletes, extra }: FgaPlan): PlanReport {
  const modelSteps = model === undefined
    ? []
    : [{
        op: model.isFirst ? 'create' as const : 'change' as const,
        kind: 'authorization_model',
        keys: [],
        name: 'authorization model',
        place: undefined,
        changes: model.isFirst ? [] : model.changes
      }]
  const named = (tuple: FgaTuple) => ({ kind: 'tuple', keys: [tuple.user, tuple.relation, tuple.object], name: `tuple ${tupleKey(tuple)}` })
  return {
    file,
    ops: [...modelSteps.map(({ op }) => op), ...deletes.map(() => 'delete' as const), ...writes.map(() => 'create' as const)],
    tell: count => {
      const some = writes.slice(0, Math.max(0, count - modelSteps.length - deletes.length))
      const lines = linesOf(some.map(({ path }) => path))
      return [
        ...modelSteps,
        ...deletes.map(tuple => ({ op: 'delete' as const, ...named(tuple), place: undefined, changes: [] })),
        ...some.map((tuple, index) => ({
          op: 'create' as const, ...named(tuple), place: lines[index] === undefined ? undefined : `${file}:${lines[index]}`, changes: []
        }))
      ].slice(0, count)
    },
    extraCount: extra.length,
    tellExtra: count => extra.slice(0, count).map(named),
    there: 'store',
    notes: []
  }
}

/**
 * Changes the store so that it matches the file.
 *
 * @returns the exit code
 */
export async function pushToFga (
  options: FgaOptions & { readonly yes: boolean }, policy: PolicyToMove, terminal: Terminal
): Promise<number> {
  const translation = translated(policy, options.facts)
  return withStore(options, terminal, async store => {
    const { plan: { model, writes, deletes }, report } = await fgaDifference(store, policy, translation, options, terminal)
    const { ops } = report
    terminal.out(planLines(report))
    if (ops.length === 0) return EXIT.ok
    if (deletes.length > 0 && !options.yes) {
      const question = `Delete ${deletes.length === 1 ? '1 tuple' : `${deletes.length} tuples`} of the store?`
      if (!await confirmed(terminal, question)) return unchanged(terminal)
    }
    const progress = progressOn(terminal, 'changes')
    let applied = 0
    const onDone = (count: number): void => { progress(applied += count, ops.length) }
    try {
      // The model first, because a tuple can only use relations of the model. Then deletions, before creations.
      if (model !== undefined) {
        const id = await store.writeModel(translation.model)
        onDone(1)
        terminal.err([`Authorization model ${id} is written`])
      }
      await store.delete(deletes, onDone)
      await store.write(writes, onDone)
    } catch (error) {
      if (!(error instanceof MovingError)) throw error
      terminal.err([
        no('The push stopped:'),
        ...error.message.split('\n').map(line => `  ${line}`),
        applied === 0
          ? 'Nothing was changed.'
          : `${applied} of ${ops.length} changes are done and stay done. Run the command again to go on.`
      ])
      return EXIT.failed
    }
    terminal.err([`Done: ${summaryOf(ops).replaceAll('to ', '')}`])
    return EXIT.ok
  })
}
