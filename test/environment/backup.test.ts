// A backup holds one moment, whole; a restore puts it back, whole, or changes nothing: also when what is read is damaged, or the process is killed.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { chmod, cp, open, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import type { Policy } from '../../src/engine/policy/policy.js'
import { backUp, restoreBackup } from '../../src/environment/backup.js'
import { Environment } from '../../src/environment/environment.js'
import { connectToHolder } from '../../src/environment/store-lock.js'
import { deferred } from '../support/app.js'
import { built } from '../support/built.js'

const policy: Policy = {
  resources: {
    task: { actions: { create: {} } },
    document: { actions: { read: {} }, relations: { parent: 'folder' }, roles: { reader: { permissions: ['read'] } } },
    folder: { actions: { read: {} } }
  },
  roles: { admin: { permissions: ['task:create'] }, viewer: {} }
}

/** Kills of each kind. */
const KILLS = 4

async function opened (t: Test, data: string): Promise<Environment> {
  const environment = await Environment.open({ data, policy })
  t.teardown(() => environment.close())
  return environment
}

function everythingIn (environment: Environment): object {
  const { facts } = environment.engine
  return {
    users: [...facts.users()].map(fact => environment.stored('user', fact)),
    tenants: [...facts.tenants()].map(fact => environment.stored('tenant', fact)),
    instances: [...facts.resourceInstances()].map(fact => environment.stored('resource_instance', fact)),
    assignments: [...facts.roleAssignments()].map(fact => environment.stored('role_assignment', fact)),
    tuples: [...facts.relationshipTuples()].map(fact => environment.stored('relationship_tuple', fact)),
    schema: environment.schema
  }
}

async function fill (environment: Environment, users: number): Promise<void> {
  await environment.updateSchema(draft => { draft.roles['owner'] = { permissions: ['task:create'] } })
  await environment.write(facts => {
    facts.createTenant({ key: 'acmé', attributes: { text: 'line\nbreak, "quotes", \u2028 and \\ \u{1f600}' } })
    for (let n = 0; n < users; n++) facts.createUser({ key: `u${n}`, attributes: JSON.parse('{ "__proto__": { "a": 1 }, "n": [null, 1e21] }') as Record<string, unknown> }, [{ role: 'owner', tenant: 'acmé' }])
    facts.createRelationshipTuple({ subject: 'folder:rnd', relation: 'parent', object: 'document:spec', tenant: 'acmé' })
    facts.assignRole({ user: 'u0', role: 'reader', resource_instance: 'document:spec' })
  })
}

t.test('a backup, of a folder in use or not, restores the same facts', async t => {
  const dir = t.testdir()
  const [data, file] = [join(dir, 'data'), join(dir, 'facts.backup')]
  const first = await opened(t, data)
  await fill(first, 3_000)
  const progress: number[] = []
  const { records } = await backUp({ data, file, overwrite: false, progress: done => { progress.push(done) } })
  t.ok(records > 6_000)
  t.ok(progress.length >= 6, 'it says how far it is')
  const before = everythingIn(first)
  await first.close()
  await backUp({ data, file: join(dir, 'closed.backup'), overwrite: false })

  for (const name of ['facts.backup', 'closed.backup']) {
    const copy = join(dir, `${name}-restored`)
    await restoreBackup({ data: copy, file: join(dir, name), overwrite: false })
    t.same((await readdir(copy)).sort(), ['facts.mdb', 'facts.sum'])
    const environment = await opened(t, copy)
    t.same(everythingIn(environment), before)
  }
  t.equal((await stat(file)).mode & 0o077, 0, 'it is for its owner only')
})

t.test('a backup during writes contains all acknowledged writes, and each write completely or not at all', async t => {
  const dir = t.testdir()
  const data = join(dir, 'data')
  const environment = await opened(t, data)
  await environment.write(facts => { for (let n = 0; n < 2_000; n++) facts.createUser({ key: `old${n}` }) })
  let acknowledged = -1
  const begun = deferred<void>()
  const stop = new AbortController()
  const writing = (async () => {
    for (let n = 0; !stop.signal.aborted; n++) {
      await environment.write(facts => {
        facts.createUser({ key: `left${n}` })
        facts.createUser({ key: `right${n}` })
        if (n > 0) facts.deleteUser(`left${n - 1}`)
        if (n > 0) facts.deleteUser(`right${n - 1}`)
        facts.updateUser(`old${n % 2_000}`, { attributes: { n } })
      })
      acknowledged = n
      begun.resolve()
    }
  })()
  await begun.promise
  for (let round = 0; round < 5; round++) {
    const before = acknowledged
    const file = join(dir, `${round}.backup`)
    await backUp({ data, file, overwrite: false })
    const after = acknowledged + 1
    await restoreBackup({ data: join(dir, String(round)), file, overwrite: false })
    const copy = await opened(t, join(dir, String(round)))
    const sides = ['left', 'right'].map(side => [...copy.engine.facts.users()].map(({ key }) => key).filter(key => key.startsWith(side)).map(key => Number(key.slice(side.length))))
    t.same(sides[0], sides[1])
    t.equal(sides[0]?.length, 1)
    const [moment = -1] = sides[0] ?? []
    t.ok(moment >= before && moment <= after, `${before} <= ${moment} <= ${after}`)
    t.equal(copy.engine.facts.userCount, 2_002)
  }
  stop.abort()
  await writing
})

t.test('a backup with random damage is refused, and the folder does not change', async t => {
  const dir = t.testdir()
  const [data, file, target] = [join(dir, 'data'), join(dir, 'facts.backup'), join(dir, 'target')]
  const source = await opened(t, data)
  await fill(source, 40)
  await backUp({ data, file, overwrite: false })
  await source.close()
  const there = await opened(t, target)
  await there.write(facts => facts.createUser({ key: 'mine' }))
  await there.close()
  const files = ['facts.mdb', 'facts.sum']
  const before = await Promise.all(files.map(name => readFile(join(target, name))))
  const whole = await readFile(file)
  const part = fc.double({ min: 0, max: 0.999_999, noNaN: true })
  await fc.assert(fc.asyncProperty(part, part, fc.constantFrom('bit', 'cut', 'removed', 'moved', 'longer'), async (from, length, kind) => {
    const at = Math.floor(from * whole.length)
    const size = 1 + Math.floor(length * Math.min(500, whole.length - at))
    let bytes = Buffer.from(whole)
    if (kind === 'bit') bytes[at] = (bytes[at] ?? 0) ^ (1 << (size % 8))
    if (kind === 'cut') bytes = bytes.subarray(0, at)
    if (kind === 'removed') bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + size)])
    if (kind === 'moved') bytes = Buffer.concat([bytes.subarray(at), bytes.subarray(0, at)])
    if (kind === 'longer') bytes = Buffer.concat([bytes, bytes.subarray(at, at + size)])
    if (bytes.equals(whole)) return
    await writeFile(join(dir, 'damaged.backup'), bytes)
    await assert.rejects(restoreBackup({ data: target, file: join(dir, 'damaged.backup'), overwrite: true }), { code: 'FST_PERMIT_DATA' })
  }), { numRuns: 40 })
  t.same((await readdir(target)).filter(name => name !== 'facts.mdb-lock').sort(), files)
  t.same(await Promise.all(files.map(name => readFile(join(target, name)))), before)
})

t.test('an intact backup with invalid content is refused', async t => {
  const dir = t.testdir()
  const [data, file] = [join(dir, 'data'), join(dir, 'facts.backup')]
  const source = await opened(t, data)
  await source.close()
  await backUp({ data, file, overwrite: false })
  const lines = (await readFile(file, 'utf8')).split('\n').slice(0, -2)
  const withHead = (change: object, more: readonly string[] = []): string => {
    const head = { ...JSON.parse(lines[0] ?? '') as { records: number }, ...change }
    const text = [JSON.stringify({ ...head, records: head.records + more.length }), ...lines.slice(1), ...more].map(line => `${line}\n`).join('')
    return `${text}${JSON.stringify({ end: true, records: head.records + more.length, sha256: createHash('sha256').update(text).digest('hex') })}\n`
  }
  const withSchema = (json: string): string => {
    const text = [lines[0], JSON.stringify(['schema', json]), ...lines.slice(1)].map(line => `${line}\n`).join('')
    const { records } = JSON.parse(lines[0] ?? '') as { records: number }
    return `${text}${JSON.stringify({ end: true, records, sha256: createHash('sha256').update(text).digest('hex') })}\n`
  }
  const nonsense: ReadonlyArray<readonly [text: string, message: RegExp]> = [
    [withHead({}, [JSON.stringify([4, 900, '{"id":"i","created_at":"c","updated_at":"u","fact":{"user":"nobody","role":"r","tenant":"default"}}'])]), /invalid record, 4\/900/],
    [withHead({}, [JSON.stringify([4, 900, '{'])]), /invalid record, 4\/900/],
    [withHead({}, ['[1]']), /it contains an invalid line/],
    [withSchema('{"document":{"resources":5},"base":"b"}'), /contains an invalid schema/],
    [withSchema('{'), /contains an invalid schema/],
    [withHead({ version: 2 }), /has version 2.*upgrade/],
    [withHead({ format: '99' }), /newer version.*upgrade/],
    [withHead({ kind: 'a diary' }), /not a backup/],
    ['', /empty/],
    ['x'.repeat(100_000), /end is missing/],
    ['{"a":1}\n', /not a backup/],
    ['null\n', /invalid line/]
  ]
  for (const [text, message] of nonsense) {
    await writeFile(file, text)
    await t.rejects(restoreBackup({ data: join(dir, 'target'), file, overwrite: true }), { code: 'FST_PERMIT_DATA', message })
  }
  await writeFile(file, withHead({}))
  await t.resolves(restoreBackup({ data: join(dir, 'target'), file, overwrite: true }), 'and it was not the test that made it wrong')
})

t.test('a backup is a file of its own, whatever another user has put in the place of a partial one', async t => {
  const dir = t.testdir({ precious: 'precious' })
  const [data, file] = [join(dir, 'data'), join(dir, 'facts.backup')]
  await (await opened(t, data)).close()
  await symlink('precious', `${file}.partial`)
  await backUp({ data, file, overwrite: false })
  t.equal(await readFile(join(dir, 'precious'), 'utf8'), 'precious')
  await rm(file)
  await rm(`${file}.partial`)
  await writeFile(`${file}.partial`, '')
  await chmod(`${file}.partial`, 0o666)
  const reader = await open(`${file}.partial`)
  await backUp({ data, file, overwrite: false })
  t.equal((await reader.readFile()).length, 0, 'who has it open reads nothing')
  await reader.close()
  t.equal((await stat(file)).mode & 0o777, 0o600)
})

/** Records that are not as they were written, with a checksum that fits. */
type Forgery = 'again' | 'elsewhere' | 'without tenant' | 'without instance' | 'no instance' | 'of another kind' | 'far away'

t.test('what is removed after the restore of a forged backup does not come back with a restart', async t => {
  const dir = t.testdir()
  const [data, file, forged, target] = [join(dir, 'data'), join(dir, 'facts.backup'), join(dir, 'forged'), join(dir, 'target')]
  const source = await opened(t, data)
  await fill(source, 2)
  await source.close()
  await backUp({ data, file, overwrite: false })
  const [head = '', ...lines] = (await readFile(file, 'utf8')).split('\n').slice(0, -2)
  const records = lines.map(line => JSON.parse(line) as [string, string] | [number, number, string])
  const facts = records.filter((record): record is [number, number, string] => record.length === 3 && record[0] < 10).reverse()
  const forge = ([kind, order, json]: [number, number, string], how: Forgery, to: number): unknown[][] => {
    const changed = (change: (fact: Record<string, unknown>) => void): [number, number, string] => {
      const content = JSON.parse(json) as { fact: Record<string, unknown> }
      change(content.fact)
      return [kind, order, JSON.stringify(content)]
    }
    switch (how) {
      case 'again': return [[kind, order, json], [kind, order, json]]
      case 'elsewhere': return [[kind, order, json], [kind, 1_000 + to, json]]
      case 'without tenant': return [changed(fact => { delete fact['tenant'] })]
      case 'without instance': return [[kind, order, json], changed(fact => { delete fact['resource_instance'] })]
      case 'no instance': return [[kind, order, json], [kind, 1_000 + to, changed(fact => { fact['resource_instance'] = null })[2]]]
      case 'of another kind': return [[kind, order, json], [1 + to % 20, 1_000 + to, json]]
      case 'far away': return [[kind, Number.MAX_SAFE_INTEGER, json]]
    }
  }
  const outcomes = { restored: 0, refused: 0 }
  await fc.assert(fc.asyncProperty(
    fc.nat(facts.length - 1),
    fc.constantFrom<Forgery>('again', 'elsewhere', 'without tenant', 'without instance', 'no instance', 'of another kind', 'far away'),
    fc.nat(100),
    async (which, how, to) => {
      const chosen = facts[which] as [number, number, string]
      const written = records.flatMap(record => record === chosen ? forge(chosen, how, to) : [record])
      const count = written.filter(({ length }) => length === 3).length
      const text = [{ ...JSON.parse(head) as object, records: count }, ...written].map(line => `${JSON.stringify(line)}\n`).join('')
      await writeFile(forged, `${text}${JSON.stringify({ end: true, records: count, sha256: createHash('sha256').update(text).digest('hex') })}\n`)
      await rm(target, { recursive: true, force: true })
      try {
        await restoreBackup({ data: target, file: forged, overwrite: false })
      } catch (error) {
        assert.equal((error as { code?: unknown }).code, 'FST_PERMIT_DATA')
        outcomes.refused++
        return
      }
      outcomes.restored++
      const restored = await Environment.open({ data: target, policy })
      await restored.write(writer => {
        const { facts } = restored.engine
        for (const fact of [...facts.roleAssignments()]) writer.unassignRole(fact)
        for (const fact of [...facts.relationshipTuples()]) writer.deleteRelationshipTuple(fact)
      })
      await restored.close()
      const again = await Environment.open({ data: target, policy })
      const left = [...again.engine.facts.roleAssignments(), ...again.engine.facts.relationshipTuples()]
      await again.close()
      assert.deepEqual(left, [])
    }), {
    numRuns: 25,
    examples: [[0, 'elsewhere', 1], [facts.findIndex(([kind]) => kind === 4), 'elsewhere', 1],
      [facts.findIndex(([kind]) => kind === 4), 'without tenant', 0], [0, 'far away', 0], [0, 'without tenant', 0]]
  })
  t.ok(outcomes.refused > 0)
})

t.test('nothing is replaced without confirmation, and no folder in use', async t => {
  const dir = t.testdir({ empty: {} })
  const [data, file] = [join(dir, 'data'), join(dir, 'facts.backup')]
  const environment = await opened(t, data)
  await backUp({ data, file, overwrite: false })
  const before = await readFile(file)
  await t.rejects(backUp({ data, file, overwrite: false }), { code: 'FST_PERMIT_DATA', message: /already exists.*--yes/ })
  t.same(await readFile(file), before)
  await backUp({ data, file, overwrite: true })
  await t.rejects(restoreBackup({ data, file, overwrite: true }), { message: /in use by another process/ })
  await environment.close()
  await t.rejects(restoreBackup({ data, file, overwrite: false }), { message: /already contains facts.*--yes/ })
  await t.rejects(backUp({ data: join(dir, 'nowhere'), file: join(dir, 'x'), overwrite: false }), { message: /cannot be read: ENOENT/ })
  await t.rejects(backUp({ data: join(dir, 'empty'), file: join(dir, 'x'), overwrite: false }), { message: /contains no facts/ })
  await t.rejects(backUp({ data, file: join(dir, 'no', 'x'), overwrite: false }), { message: /could not be written: ENOENT/ })
  await t.rejects(restoreBackup({ data: join(dir, 'new'), file: join(dir, 'no.backup'), overwrite: false }), { message: /could not be restored.*ENOENT/ })
  t.same((await readdir(dir)).sort(), ['data', 'empty', 'facts.backup'], 'and nothing is left behind')
})

t.test('a damaged folder cannot be backed up, but can be restored', async t => {
  const dir = t.testdir()
  const [data, file] = [join(dir, 'data'), join(dir, 'facts.backup')]
  const environment = await opened(t, data)
  await fill(environment, 10)
  await backUp({ data, file, overwrite: false })
  const before = everythingIn(environment)
  await environment.close()
  const bytes = await readFile(join(data, 'facts.mdb'))
  await writeFile(join(data, 'facts.mdb'), bytes.fill(0x55, 4_096, 8_192))
  await t.rejects(backUp({ data, file, overwrite: true }), { code: 'FST_PERMIT_DATA', message: /damaged/ })
  await t.rejects(Environment.open({ data, policy }), { code: 'FST_PERMIT_DATA', message: /damaged.*fastify-permit restore --data/ })
  await chmod(join(data, 'facts.mdb'), 0o640)
  await restoreBackup({ data, file, overwrite: true })
  t.equal((await stat(join(data, 'facts.mdb'))).mode & 0o777, 0o640, 'as accessible as before')
  t.same(everythingIn(await opened(t, data)), before)
})

t.test('a client that requests a backup and does not read it, or requests something else, does not block others', async t => {
  const data = join(t.testdir(), 'data')
  const environment = await opened(t, data)
  await fill(environment, 3_000)
  const sockets = await Promise.all(['backup\n', 'backup\n', 'backdoor\n', '', 'back'].map(async words => {
    const socket = await connectToHolder(data)
    if (socket === undefined) throw new Error('nobody holds it')
    socket.on('error', () => {})
    socket.write(words)
    return socket
  }))
  const [, , stranger] = sockets
  if (stranger?.resume().closed === false) await once(stranger, 'close')
  await environment.write(facts => facts.createUser({ key: 'new' }))
  await environment.close()
  await Promise.all(sockets.map(socket => socket.resume().closed || once(socket, 'close')))
  const again = await opened(t, data)
  t.ok(again.get('user', 'new'))
})

t.test('a process that is killed during a backup or a restore leaves the old content or all of the new', { timeout: 300_000 }, async t => {
  const dir = t.testdir()
  const [data, file] = [join(dir, 'data'), join(dir, 'facts.backup')]
  const environment = await opened(t, data)
  await fill(environment, 5_000)
  await backUp({ data, file, overwrite: false })
  const old = await readFile(file)
  await environment.write(facts => facts.createUser({ key: 'later' }))
  await environment.close()
  /** Kills the command some time after a file of this name has appeared. */
  const killed = async (args: readonly string[], [folder, begin]: readonly [string, string], partly: number): Promise<boolean> => {
    const child = spawn(process.execPath, [built('cli/main.js'), ...args], { stdio: 'ignore' })
    const exited = once(child, 'exit')
    const hasBegun = async (): Promise<boolean> => (await readdir(folder)).some(name => name.startsWith(begin))
    while (child.exitCode === null && !await hasBegun()) await delay(2)
    const ended = await Promise.race([exited.then(() => true), delay(partly, false)])
    child.kill('SIGKILL')
    await exited
    return !ended
  }
  let interrupted = 0
  for (let n = 0; n < KILLS; n++) {
    if (await killed(['backup', '--data', data, '--to', file, '--yes'], [dir, 'facts.backup.partial'], n * 25)) interrupted++
    const now = await readFile(file)
    const copy = join(dir, `backup-${n}`)
    await restoreBackup({ data: copy, file, overwrite: false })
    const restored = await opened(t, copy)
    t.equal(restored.get('user', 'later') !== undefined, !now.equals(old))
    t.equal([...restored.engine.facts.users()].filter(({ key }) => key.startsWith('u')).length, 5_000)
    await restored.close()
    await writeFile(file, old)
    await rm(`${file}.partial`, { force: true })
  }
  for (let n = 0; n < KILLS; n++) {
    const target = join(dir, `restore-${n}`)
    // Without the lock, whose socket first stands in a folder of its own.
    await cp(data, target, { recursive: true, filter: path => !/\.sock$|\/\.lock-[^/]*$/.test(path) })
    if (await killed(['restore', '--data', target, '--from', file, '--yes'], [target, 'facts.mdb.new-'], n * 25)) interrupted++
    const restored = await opened(t, target)
    t.equal([...restored.engine.facts.users()].filter(({ key }) => key.startsWith('u')).length, 5_000)
    await restored.close()
    t.same((await readdir(target)).filter(name => name.includes('new')), [], 'and nothing is left over')
    await rm(target, { recursive: true })
  }
  t.comment(`${interrupted} of ${2 * KILLS} were interrupted`)
})
