// Facts in a folder: what is there again after a restart, who else may use it, and what happens when the disk says no.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { open as openLmdb } from 'lmdb'
import t, { type Test } from 'tap'
import type { Policy } from '../../src/engine/policy/policy.js'
import { Environment, type EnvironmentOptions } from '../../src/environment/environment.js'
import { Store } from '../../src/environment/store.js'
import { lockFolder } from '../../src/environment/store-lock.js'
import { AS_BEFORE, AS_OTHER_USER, folderForAll, giveAway } from '../support/other-user.js'
import { EXTENSION, LOADER } from '../support/program.js'

const policy: Policy = {
  resources: {
    task: { actions: { create: {}, retrieve: {} } },
    folder: { actions: { read: {} } },
    document: { actions: { read: {} }, relations: { parent: 'folder' }, roles: { reader: { permissions: ['read'] } } }
  },
  roles: { admin: { permissions: ['task:create'] }, viewer: { permissions: ['task:retrieve'] } },
  tenants: { acme: { name: 'Acme' } },
  users: { ann: { attributes: { age: 40 } } },
  role_assignments: [{ user: 'ann', role: 'viewer', tenant: 'acme' }]
}

const folderOf = (t: Test) => join(t.testdir(), 'data')

async function opened (t: Test, options: EnvironmentOptions): Promise<Environment> {
  const environment = await Environment.open({ policy, ...options })
  t.teardown(() => environment.close())
  return environment
}

function everythingIn (environment: Environment) {
  const { facts } = environment.engine
  return {
    users: [...facts.users()].map(fact => environment.stored('user', fact)),
    tenants: [...facts.tenants()].map(fact => environment.stored('tenant', fact)),
    instances: [...facts.resourceInstances()].map(fact => environment.stored('resource_instance', fact)),
    assignments: [...facts.roleAssignments()].map(fact => environment.stored('role_assignment', fact)),
    tuples: [...facts.relationshipTuples()].map(fact => environment.stored('relationship_tuple', fact)),
    schema: environment.schema,
    objects: ['task', 'document'].map(key => environment.metadata('resource', key)),
    role: environment.metadata('role', 'admin')
  }
}

t.test('a new folder is open to the user of the process only, and an existing one keeps its permissions', async t => {
  const folder = t.testdir({ existing: {} })
  const [existing, parent] = [join(folder, 'existing'), join(folder, 'new')]
  const created = join(parent, 'facts')
  await chmod(existing, 0o750)
  for (const data of [existing, created]) await opened(t, { data })
  const modes = await Promise.all([existing, parent, created].map(async name => (await stat(name)).mode & 0o777))
  t.same(modes, [0o750, 0o700, 0o700])
})

t.test('whatever the umask and the mode of the folder, other users can neither read the facts nor write beside them', async t => {
  const before = process.umask()
  t.teardown(() => process.umask(before))
  for (const umask of [0, 0o022]) {
    for (const mode of [0o755, 0o777]) {
      const data = join(t.testdir({ data: {} }), 'data')
      await chmod(data, mode)
      process.umask(umask)
      const modesIn = async () => new Map(await Promise.all((await readdir(data)).map(async name => [name, (await stat(join(data, name))).mode & 0o777] as const)))
      const check = async (when: string) => {
        const modes = await modesIn()
        t.equal(modes.get('facts.mdb'), 0o600, `facts.mdb ${when}, with the umask ${umask.toString(8)} in a folder of ${mode.toString(8)}`)
        for (const [name, found] of modes) t.equal(found & (name === 'facts.sum' ? 0o022 : 0o077), 0, `${name} ${when}`)
      }
      const environment = await opened(t, { data })
      await environment.write(facts => facts.createUser({ key: 'carl' }))
      await check('while it is open')
      await environment.close()
      await check('when it is closed')
      // After a kill the content is copied into a new file.
      await rm(join(data, 'facts.sum'))
      const again = await opened(t, { data })
      await check('when it was copied')
      await again.close()
      // What its owner has opened to others stays open to them.
      await chmod(join(data, 'facts.mdb'), 0o640)
      await rm(join(data, 'facts.sum'))
      await (await opened(t, { data })).close()
      t.equal((await modesIn()).get('facts.mdb'), 0o640)
      process.umask(before)
    }
  }
})

t.test('after a restart everything is as before, including ids, times and order', async t => {
  const data = folderOf(t)
  const first = await opened(t, { data })
  for (const key of ['zoe', 'bob', 'eve']) await first.write(facts => facts.createUser({ key, email: `${key}@acme.com` }, [{ role: 'viewer' }, { role: 'admin', tenant: 'acme' }]))
  await first.write(facts => {
    facts.createRelationshipTuple({ subject: 'folder:rnd', relation: 'parent', object: 'document:spec', tenant: 'acme' })
    facts.assignRole({ user: 'bob', role: 'reader', resource_instance: 'document:spec' })
    facts.updateUser('zoe', { attributes: JSON.parse('{ "__proto__": { "a": 1 }, "ä": [null, 1e21] }') as Record<string, unknown> })
    facts.unassignRole({ user: 'zoe', role: 'viewer' })
    facts.deleteUser('eve')
    facts.updateTenant('default', { name: 'Everybody else' })
  })
  const before = everythingIn(first)
  await first.close()

  const second = await opened(t, { data })
  t.same(everythingIn(second), before)
  t.equal(second.engine.decide({ user: { key: 'bob' }, action: 'read', resource: { type: 'document', key: 'spec', tenant: 'acme' } }).allow, true)
})

t.test("the policy's facts are written to an empty folder, and never again", async t => {
  const data = folderOf(t)
  const first = await opened(t, { data })
  t.equal(first.get('user', 'ann')?.attributes?.['age'], 40)
  await first.write(facts => facts.deleteUser('ann'))
  await first.close()
  const second = await opened(t, { data, policy: { ...policy, users: { ann: {}, new: {} } } })
  t.equal(second.engine.facts.userCount, 0)
})

t.test('a schema changed by the API stays, until the policy has another one', async t => {
  const data = folderOf(t)
  const warnings: string[] = []
  const log = { info: () => {}, warn: (_: object, message: string) => { warnings.push(message) } }
  const first = await opened(t, { data })
  await first.updateSchema(draft => { draft.roles['owner'] = { permissions: ['task:create'] } })
  await first.write(facts => facts.assignRole({ user: 'ann', role: 'owner' }))
  const owner = first.metadata('role', 'owner')
  await first.close()

  const second = await opened(t, { data, log })
  t.same(second.metadata('role', 'owner'), owner)
  await second.close()
  const without = await opened(t, { data, policy: undefined, log })
  t.ok(without.schema.roles['owner'], 'without a policy nothing contradicts it')
  await without.close()
  t.same(warnings, [])

  const third = await opened(t, { data, log, policy: { ...policy, roles: { ...policy.roles, guest: {} } } })
  t.notOk(third.schema.roles['owner'])
  t.ok(third.schema.roles['guest'])
  t.equal(warnings.length, 1)
  await third.close()
  const fourth = await opened(t, { data, log })
  t.notOk(fourth.schema.roles['owner'], 'what was dropped does not come back with the policy of before')
})

t.test('many concurrent writes are all stored, each completely', async t => {
  const data = folderOf(t)
  const first = await opened(t, { data })
  await Promise.all(Array.from({ length: 500 }, (_, n) => first.write(facts => facts.createUser({ key: `u${n}` }, [{ role: 'viewer' }]))))
  await first.close()
  const second = await opened(t, { data })
  t.equal(second.engine.facts.userCount, 501)
  t.equal([...second.engine.facts.roleAssignments({ role: 'viewer', tenant: 'default' })].length, 500)
})

t.test('a folder in use is refused, in the same process and in another', async t => {
  const data = folderOf(t)
  const first = await opened(t, { data })
  await t.rejects(Environment.open({ policy, data }), { code: 'FST_PERMIT_DATA', message: /in use by another process/ })
  const script = `
    import { Environment } from './src/environment/environment.${EXTENSION}'
    Environment.open({ data: process.argv[1] }).then(() => console.log('opened'), error => console.log(error.code))`
  const other = async () => {
    const child = spawn(process.execPath, [...LOADER, '--input-type=module', '-e', script, data], { stdio: ['ignore', 'pipe', 'inherit'] })
    const chunks: Buffer[] = []
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk))
    await once(child, 'close')
    return Buffer.concat(chunks).toString().trim()
  }
  t.equal(await other(), 'FST_PERMIT_DATA')
  await first.close()
  t.equal(await other(), 'opened')
})

t.test('of many simultaneous processes, at most one gets the folder', async t => {
  const folder = t.testdir()
  for (let round = 0; round < 10; round++) {
    const locks = (await Promise.all(Array.from({ length: 5 }, () => lockFolder(folder)))).filter(lock => lock !== undefined)
    t.ok(locks.length <= 1)
    for (const lock of locks) await lock.release()
  }
  const alone = await lockFolder(folder)
  t.ok(alone, 'and who comes later gets it')
  await alone?.release()
  t.same(await readdir(folder), [])
})

t.test('a folder with a long name can be locked', async t => {
  const folder = join(t.testdir(), 'long'.repeat(50), 'long'.repeat(50))
  const store = await Store.open(folder)
  await t.rejects(Store.open(folder), { code: 'FST_PERMIT_DATA' })
  await store.close()
})

t.test('a folder of another version or another program is refused', async t => {
  for (const [format, message] of [['2', /newer version/], ['0', /cannot migrate/], ['x', /cannot migrate/]] as const) {
    const data = join(t.testdir(), format)
    const store = await Store.open(data)
    await store.write({ records: [], values: new Map([['format', format]]) })
    await store.close()
    await t.rejects(Environment.open({ data }), { code: 'FST_PERMIT_DATA', message })
    await t.rejects(Environment.open({ data }), { message }, 'and not left locked')
  }
  const data = t.testdir()
  const foreign = openLmdb<string, string>({ path: join(data, 'facts.mdb') })
  await foreign.openDB<string, string>({ name: 'values' }).put('somebody', 'else')
  await foreign.close()
  await t.rejects(Environment.open({ data }), { code: 'FST_PERMIT_DATA', message: /did not write/ })
})

t.test('a folder with an invalid record is refused', async t => {
  for (const json of ['{', '{}', '{"id":"i","created_at":"c","updated_at":"u","fact":{"user":"nobody","role":"r","tenant":"default"}}']) {
    const data = join(t.testdir(), String(json.length))
    const store = await Store.open(data)
    await store.write({ records: [{ kind: 4, order: 1, json }], values: new Map() })
    await store.close()
    await t.rejects(Environment.open({ data }), { code: 'FST_PERMIT_DATA', message: /invalid record, 4\/1/ })
  }
})

t.test('a path that cannot be a folder is refused', async t => {
  const dir = t.testdir({ file: 'text', facts: { 'facts.mdb': 'not a database '.repeat(1000) } })
  await t.rejects(Environment.open({ data: join(dir, 'file') }), { code: 'FST_PERMIT_DATA', message: /cannot be used/ })
  await t.rejects(Environment.open({ data: join(dir, 'facts') }), { code: 'FST_PERMIT_DATA', message: /cannot be opened/ })
})

t.test('a folder of format 1 is read and converted', async t => {
  const data = t.testdir()
  const old = openLmdb<string, string>({ path: join(data, 'facts.mdb') })
  await old.openDB<string, string>({ name: 'values', encoding: 'string' }).put('format', '1')
  const records = old.openDB<string, [number, number]>({ name: 'records', encoding: 'string' })
  for (let n = 1; n <= 300; n++) await records.put([2, n], JSON.stringify({ id: `id${n}`, created_at: 'c', updated_at: 'u', fact: { key: `u${n}` } }))
  await old.close()
  const first = await opened(t, { data, policy: undefined })
  t.equal(first.engine.facts.userCount, 300)
  t.equal(first.get('user', 'u7')?.id, 'id7')
  await first.close()
  t.same((await readdir(data)).sort(), ['facts.mdb', 'facts.mdb-lock', 'facts.sum'])
  t.equal((await opened(t, { data, policy: undefined })).engine.facts.userCount, 300)
})

t.test('a start without writes leaves the folder sealed', async t => {
  const data = folderOf(t)
  await (await opened(t, { data })).close()
  const before = await readFile(join(data, 'facts.mdb'))
  const second = await opened(t, { data })
  const isSealed = async () => (await readFile(join(data, 'facts.sum'), 'utf8')).includes('sha256')
  t.ok(await isSealed())
  t.same(await readFile(join(data, 'facts.mdb')), before)
  await second.write(facts => facts.createUser({ key: 'new' }))
  t.notOk(await isSealed(), 'and the first write breaks the seal')
})

t.test('a missing database is noticed, so that the facts of the policy do not come back', async t => {
  const data = folderOf(t)
  const first = await opened(t, { data })
  await first.write(facts => facts.deleteUser('ann'))
  await first.close()
  await rm(join(data, 'facts.mdb'))
  await t.rejects(Environment.open({ policy, data }), { code: 'FST_PERMIT_DATA', message: /it is missing.*restore --data/ })
})

t.test('a folder that is removed or replaced while in use refuses writes, and its new content is not changed', async t => {
  const dir = t.testdir()
  for (const [name, away] of [
    ['removed', (data: string) => rm(data, { recursive: true })],
    ['moved', (data: string) => rename(data, `${data}-elsewhere`)],
    ['replaced', async (data: string) => {
      await rename(data, `${data}-elsewhere`)
      await (await opened(t, { data })).close()
    }]
  ] as const) {
    const data = join(dir, name)
    const environment = await opened(t, { data })
    await environment.write(facts => facts.createUser({ key: 'before' }))
    await away(data)
    const files = name === 'replaced' ? await Promise.all(['facts.mdb', 'facts.sum'].map(file => readFile(join(data, file)))) : []
    await t.rejects(environment.write(facts => facts.createUser({ key: 'after' })), { name: 'StorageError', message: /removed or replaced/ })
    t.equal(environment.get('user', 'after'), undefined, 'and it is taken back')
    await environment.close()
    if (name === 'replaced') t.same(await Promise.all(['facts.mdb', 'facts.sum'].map(file => readFile(join(data, file)))), files)
    if (name !== 'removed') t.ok((await opened(t, { data: `${data}-elsewhere` })).get('user', 'before'))
  }
})

/** Runs a script, without the test runner's own handlers of signals, of which `Environment`, `policy` and `data` are known, and returns what it says. */
async function script (shell: string, data: string, body: string): Promise<string> {
  const text = `
    import { chmodSync } from 'node:fs'
    import { Environment } from './src/environment/environment.${EXTENSION}'
    const [data] = process.argv.slice(1)
    const policy = ${JSON.stringify(policy)}
    const attempt = () => Environment.open({ policy, data }).then(async environment => { console.log('opened', environment.engine.facts.userCount); return environment }, ({ code, message }) => { console.log(code, message) })
    ${body}`
  const child = spawn('sh', ['-c', `${shell}; exec env -u NODE_OPTIONS "$0" "$@"`, process.execPath, ...LOADER, '--input-type=module', '-e', text, data], { stdio: ['ignore', 'pipe', 'inherit'] })
  const chunks: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk))
  const [code, signal] = await once(child, 'close') as [unknown, unknown]
  return `${Buffer.concat(chunks).toString()}${String(signal ?? code)}`
}

t.test('unreadable or unwritable files and folders are refused, and nothing is lost', async t => {
  const data = join(await folderForAll(t), 'data')
  await (await opened(t, { data })).close()
  await giveAway([data, ...['facts.mdb', 'facts.sum', 'facts.mdb-lock'].map(name => join(data, name))])
  const said = await script(':', data, `
    await (await Environment.open({ policy, data: data + '-first' })).close()
    ${AS_OTHER_USER}
    for (const [path, mode, before] of [['/facts.mdb', 0, 0o644], ['/facts.mdb', 0o444, 0o644], ['/facts.sum', 0, 0o644], ['', 0, 0o755], ['', 0o500, 0o755], ['', 0o300, 0o755]]) {
      chmodSync(data + path, mode)
      await attempt()
      chmodSync(data + path, before)
    }
    await (await attempt())?.close()
    ${AS_BEFORE}`)
  t.match(said, /^(FST_PERMIT_DATA the data folder .*(EACCES|EPERM).*permissions.*\n){6}opened 1\n0$/)
})

t.test('a full disk refuses writes and starts, and loses nothing', async t => {
  const data = folderOf(t)
  const first = await opened(t, { data })
  await first.write(facts => { for (let n = 0; n < 500; n++) facts.createUser({ key: `u${n}` }) })
  await first.close()
  // A limit on the size of files takes part for a full disk, for which one would have to be root. In blocks of 512 bytes.
  const { size } = await stat(join(data, 'facts.mdb'))
  const full = `trap '' XFSZ; ulimit -f ${Math.ceil(size / 512) + 64}`
  const said = await script(full, data, `
    const environment = await attempt()
    let written = 0
    const failures = new Set()
    for (let n = 0; n < 60; n++) {
      await environment.write(facts => { for (let user = 0; user < 20; user++) facts.createUser({ key: 'later' + n + '-' + user, attributes: { text: 'x'.repeat(500) } }) }).then(() => { written++ }, error => { failures.add(error.name) })
    }
    console.log(written > 0 && written < 60, [...failures].join(), environment.engine.facts.userCount === 501 + written * 20)
    const expected = environment.engine.facts.userCount
    await environment.close()
    const again = await attempt()
    console.log(again?.engine.facts.userCount === expected)
    await again?.close()`)
  t.match(said, /^opened 501\ntrue StorageError true\nopened \d+\ntrue\n0$/)
  // Killed, and no room for the copy of what is checked.
  await rm(join(data, 'facts.sum'))
  const before = await readFile(join(data, 'facts.mdb'))
  t.match(await script("trap '' XFSZ; ulimit -f 40", data, 'await attempt()'), /^FST_PERMIT_DATA the data folder .* cannot be opened: .*free disk space\n0$/)
  t.same(await readFile(join(data, 'facts.mdb')), before)
  t.ok((await opened(t, { data })).get('user', 'u499'))
})

t.test('an invalid policy leaves no folder behind', async t => {
  const dir = t.testdir({ 'wrong.yaml': 'roles:\n  admin:\n    permissions: [task:create]\n' })
  for (const wrong of [join(dir, 'wrong.yaml'), { roles: { admin: { permissions: ['task:create'] } } }]) {
    await t.rejects(Environment.open({ policy: wrong, data: join(dir, 'data') }), { name: 'PolicyError' })
  }
  t.same(await readdir(dir), ['wrong.yaml'])
})

t.test('without lmdb, the error says what to install', async t => {
  const hook = 'export async function resolve (name, context, next) { if (name === "lmdb") throw new Error("not found"); return next(name, context) }'
  const script = `
    import { register } from 'node:module'
    register('data:text/javascript,' + encodeURIComponent(${JSON.stringify(hook)}))
    const { Environment } = await import('./src/environment/environment.${EXTENSION}')
    await Environment.open({}).then(({ close }) => console.log('in memory'))
    Environment.open({ data: process.argv[1] }).catch(({ code, message }) => console.log(code, message))`
  const child = spawn(process.execPath, [...LOADER, '--input-type=module', '-e', script, folderOf(t)], { stdio: ['ignore', 'pipe', 'inherit'] })
  const chunks: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk))
  await once(child, 'close')
  t.match(Buffer.concat(chunks).toString(), /^in memory\nFST_PERMIT_DATA .*npm i lmdb/)
})
