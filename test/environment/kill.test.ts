// A process that writes facts is killed, again and again: what it acknowledged is there, and nothing is there by halves.
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type * as Sources from '../../src/environment/environment.js'
import { built } from '../support/built.js'
import { EXTENSION, LOADER } from '../support/program.js'
import { killPolicy } from './kill-policy.js'

// A folder whose process was killed is checked by a process of its own, which starts faster from the compiled package.
const { Environment } = await import(pathToFileURL(built('environment.js')).href) as typeof Sources

const KILLS = 16
const MAX_WRITING_MS = 700
const MAX_OPENING_MS = 900

const writer = fileURLToPath(new URL(`kill-writer.${EXTENSION}`, import.meta.url))

/** What a user can be: 0 not there, 1 created, 2 changed, 3 deleted again. */
interface Expected { acknowledged: number, begun: number, id: string | undefined }

async function writeUntilKilled (folder: string, round: number, expected: Map<string, Expected>): Promise<number> {
  const child = spawn(process.execPath, [...LOADER, writer, folder, String(round)], { stdio: ['ignore', 'pipe', 'inherit'] })
  const exited = once(child, 'exit')
  let acknowledged = 0
  let ready = () => {}
  const opened = new Promise<void>(resolve => { ready = resolve })
  const lines = createInterface({ input: child.stdout })
  const closed = once(lines, 'close')
  lines.on('line', line => {
    const [word, user = '', step = '', id] = line.split(' ')
    if (word === 'ready') return ready()
    const known = expected.get(user) ?? { acknowledged: 0, begun: 0, id: undefined }
    expected.set(user, known)
    if (word === 'begin') known.begun = Number(step)
    if (word !== 'done' || id === undefined) return
    acknowledged++
    known.acknowledged = Number(step)
    known.id = id
  })
  // Every fourth is killed while it starts: importing, opening the folder, reading it.
  if (round % 4 === 0) {
    await delay(Math.random() * MAX_OPENING_MS)
  } else {
    await Promise.race([opened, exited])
    await delay(Math.random() * MAX_WRITING_MS)
  }
  child.kill('SIGKILL')
  const [[, signal]] = await Promise.all([exited, closed]) as [[unknown, string | null], unknown]
  if (signal !== 'SIGKILL') throw new Error('the writer ended by itself')
  return acknowledged
}

/** What is left of a user; a string when it is something that was never written. */
function stateOf (environment: Sources.Environment, key: string): number | string {
  const { facts } = environment.engine
  const user = environment.get('user', key)
  const roles = [...facts.roleAssignments({ user: key })].map(({ role }) => role).sort().join()
  const tuples = [...facts.relationshipTuples({ object: `document:${key}` })].length
  const instances = ['folder', 'document'].filter(type => environment.get('resource_instance', `${type}:${key}`) !== undefined).length
  const found = `version ${String(user?.attributes?.['version'])}, roles ${roles}, ${tuples} tuples, ${instances} instances`
  const states = ['version undefined, roles , 0 tuples, 0 instances', 'version 1, roles admin,viewer, 0 tuples, 0 instances', 'version 2, roles admin,reader,viewer, 1 tuples, 2 instances']
  const state = states.indexOf(found)
  return state === -1 ? found : state
}

async function check (t: Test, folder: string, expected: ReadonlyMap<string, Expected>): Promise<number> {
  // Opening finds the lock of the dead let go, and reads every record.
  const environment = await Environment.open({ policy: killPolicy, data: folder })
  let lost = 0
  let users = 1
  for (const [key, { acknowledged, begun, id }] of expected) {
    const state = stateOf(environment, key)
    const allowed = [acknowledged, begun].map(step => step % 3)
    if (typeof state !== 'number' || !allowed.includes(state)) {
      lost++
      t.fail(`${key}: acknowledged ${acknowledged}, begun ${begun}, found ${state}`)
    } else if (state !== 0) {
      users++
      if (id !== undefined && environment.get('user', key)?.id !== id) t.fail(`${key} has another id`)
    }
  }
  t.equal(environment.engine.facts.userCount, users, 'nobody is there whom nobody wrote')
  t.ok(environment.get('user', 'seeded'))
  await environment.close()
  return lost
}

t.test('acknowledged writes survive kill -9, and others are there completely or not at all', { timeout: 300_000 }, async t => {
  const folder = join(t.testdir(), 'data')
  const expected = new Map<string, Expected>()
  let acknowledged = 0
  let lost = 0
  for (let round = 1; round <= KILLS; round++) {
    acknowledged += await writeUntilKilled(folder, round, expected)
    lost += await check(t, folder, expected)
  }
  t.comment(`${KILLS} kills, ${acknowledged} writes acknowledged, ${lost} lost`)
  t.ok(acknowledged > KILLS, 'something was written')
  t.equal(lost, 0)
})
