// Environments that share a data folder: one has it, the others follow. What each knows, who takes over, and what nobody may send.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { chown, mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { Environment } from '../../../src/environment/environment.js'
import { FactFollower } from '../../../src/environment/shared/fact-follower.js'
import { performer } from '../../../src/pdp/embedded/embedded-facts.js'
import { connectToHolder } from '../../../src/environment/store-lock.js'
import type { Policy } from '../../../src/engine/policy/policy.js'

const policy: Policy = {
  resources: {
    task: { actions: { read: {} } },
    folder: { actions: { read: {} } },
    document: { actions: { read: {} }, relations: { parent: 'folder' }, roles: { reader: { permissions: ['read'] } } }
  },
  roles: { admin: { permissions: ['task:read'] }, viewer: { permissions: ['task:read'] } },
  tenants: { acme: {} },
  users: { zoe: {} }
}

const perform = await performer()

function logInto (lines: string[]) {
  const say = (_: object, message: string) => { lines.push(message) }
  return { info: say, warn: say }
}

async function sharing (t: Test, data: string, lines: string[] = []): Promise<Environment> {
  const environment = await Environment.open({ policy, data, shared: true, perform, log: logInto(lines) })
  t.teardown(() => environment.close())
  return environment
}

const sync = (key: string) => ({ kind: 'syncUser', user: { key }, roles: [{ role: 'viewer', tenant: 'default' }] })
const folderOf = (t: Test) => join(t.testdir(), 'data')

/** All facts with their ids and times. The order of links among those of one user is nobody's promise. */
function everythingIn (environment: Environment) {
  const { facts } = environment.engine
  const sorted = (list: object[]) => list.map(item => JSON.stringify(item)).sort()
  return {
    users: sorted([...facts.users()].map(fact => environment.stored('user', fact))),
    tenants: sorted([...facts.tenants()].map(fact => environment.stored('tenant', fact))),
    instances: sorted([...facts.resourceInstances()].map(fact => environment.stored('resource_instance', fact))),
    assignments: sorted([...facts.roleAssignments()].map(fact => environment.stored('role_assignment', fact))),
    tuples: sorted([...facts.relationshipTuples()].map(fact => environment.stored('relationship_tuple', fact)))
  }
}

async function until (isSo: () => boolean): Promise<void> {
  while (!isSo()) await delay(2)
}

t.test('a write at either is in use at the writer when it is acknowledged, and at the other one soon', async t => {
  const data = folderOf(t)
  const lines: string[] = []
  const first = await sharing(t, data)
  const second = await sharing(t, data, lines)
  t.match(lines, ['permit: another process has the data folder; this one follows its facts'])
  t.same(everythingIn(second), everythingIn(first))
  for (const [writer, other, key] of [[first, second, 'ann'], [second, first, 'bob']] as const) {
    t.same(await writer.perform(sync(key)), { status: 'created' })
    t.ok(writer.get('user', key))
    await until(() => other.get('user', key) !== undefined)
    t.same(everythingIn(second), everythingIn(first))
  }
  await t.rejects(second.perform({ kind: 'assignRole', assignment: { user: 'ann', role: 'nobody' } }), { name: 'FactsError', code: 'not_found' })
  await t.rejects(second.perform({ kind: 'assignRole', assignment: { user: 'ann', role: 'admin' }, sudo: true }), { message: /not a mutation/ })
  await t.rejects(second.write(facts => facts.deleteUser('ann')), { message: /use perform/ })
})

t.test('whatever is written wherever, all know the same, also one that comes later, and the folder after them', async t => {
  const users = fc.constantFrom('ann', 'bob', 'eve')
  const tenants = fc.constantFrom('default', 'acme', 'beta')
  const documents = fc.constantFrom('document:a', 'document:b')
  const assignment = fc.oneof(
    fc.record({ user: users, role: fc.constantFrom('admin', 'viewer'), tenant: tenants }),
    fc.record({ user: users, role: fc.constant('reader'), resource_instance: documents }))
  const tuple = fc.record({ subject: fc.constant('folder:f'), relation: fc.constant('parent'), object: documents })
  const mutation = fc.oneof(
    fc.record({ kind: fc.constant('syncUser'), user: fc.record({ key: users, attributes: fc.dictionary(fc.constantFrom('a', '__proto__'), fc.json().map(text => JSON.parse(text) as unknown)) }), roles: fc.constant([]) }),
    fc.record({ kind: fc.constant('deleteUser'), user: users }),
    fc.record({ kind: fc.constant('createTenant'), tenant: fc.record({ key: tenants }) }),
    fc.record({ kind: fc.constant('deleteTenant'), tenant: tenants }),
    fc.record({ kind: fc.constantFrom('assignRole', 'unassignRole'), assignment }),
    fc.record({ kind: fc.constant('createResourceInstance'), instance: fc.record({ resource: fc.constant('document'), key: fc.constantFrom('a', 'b'), tenant: tenants }) }),
    fc.record({ kind: fc.constant('deleteResourceInstance'), instance: documents }),
    fc.record({ kind: fc.constantFrom('createRelationshipTuple', 'deleteRelationshipTuple'), tuple }))
  const data = folderOf(t)
  const members = [await sharing(t, data), await sharing(t, data), await sharing(t, data)]
  const [owner] = members as [Environment]
  await fc.assert(fc.asyncProperty(fc.array(fc.tuple(fc.nat(2), mutation), { minLength: 1, maxLength: 20 }), async writes => {
    await Promise.allSettled(writes.map(async ([at, request]) => members[at]?.perform(request)))
    // A write of each comes after all that was sent to it.
    for (const member of members) await member.perform(sync('last'))
    for (const member of members) await until(() => member.engine.facts.userCount === owner.engine.facts.userCount)
    for (const member of members) assert.deepEqual(everythingIn(member), everythingIn(owner))
  }), { numRuns: 15 })
  const late = await sharing(t, data)
  const expected = everythingIn(owner)
  t.strictSame(everythingIn(late), expected)
  for (const member of [late, ...members]) await member.close()
  const alone = await Environment.open({ policy, data })
  t.teardown(() => alone.close())
  t.strictSame(everythingIn(alone), expected)
})

t.test('when the owner closes, another one takes over, and no write fails or is lost', async t => {
  const data = folderOf(t)
  const lines: string[] = []
  const members = [await sharing(t, data), await sharing(t, data, lines), await sharing(t, data, lines)]
  const state = { isOver: false }
  const writers = [1, 2].map(async at => {
    let n = 0
    while (!state.isOver) t.same(await members[at]?.perform(sync(`u-${at}-${n++}`)), { status: 'created' })
    return n
  })
  await delay(100)
  await members[0]?.close()
  await until(() => lines.some(line => /this one has it now/.test(line)))
  await delay(100)
  state.isOver = true
  const written = (await Promise.all(writers)).reduce((sum, n) => sum + n)
  t.equal(lines.filter(line => /has it now/.test(line)).length, 1)
  for (const member of members.slice(1)) await until(() => member.engine.facts.userCount === written + 1)
  t.strictSame(everythingIn(members[1] as Environment), everythingIn(members[2] as Environment))
})

t.test('a transaction of many changes takes effect at once', async t => {
  const data = folderOf(t)
  const first = await sharing(t, data)
  const second = await sharing(t, data)
  await first.perform({ kind: 'createTenant', tenant: { key: 'large' } })
  await first.write(facts => {
    for (let n = 0; n < 3_000; n++) facts.createUser({ key: `u${n}` }, [{ role: 'viewer', tenant: 'large' }])
  })
  const rolesOf = (environment: Environment) => [...environment.engine.facts.roleAssignments({ tenant: 'large' })].length
  const seen = new Set<number>()
  await until(() => {
    seen.add(rolesOf(second))
    return seen.has(3_000)
  })
  await second.perform({ kind: 'deleteTenant', tenant: 'large' })
  t.equal(rolesOf(second), 0)
  t.ok([...seen].every(count => count === 0 || count === 3_000), [...seen].join())
})

t.test('a folder whose process does not share it is refused, in both directions', async t => {
  const data = folderOf(t)
  const alone = await Environment.open({ policy, data })
  t.teardown(() => alone.close())
  await t.rejects(sharing(t, data), { code: 'FST_PERMIT_DATA', message: /in use by another process, and it does not share it; .*local PDP/ })
  await alone.close()
  await sharing(t, data)
  await t.rejects(Environment.open({ policy, data }), { code: 'FST_PERMIT_DATA', message: /in use by another process/ })
})

t.test('the socket in the folder is for its user alone, and nothing else of it is left', async t => {
  const data = folderOf(t)
  const before = process.umask(0)
  const first = await sharing(t, data)
  process.umask(before)
  const second = await sharing(t, data)
  const names = (await readdir(data)).filter(name => name.includes('lock-'))
  const sockets = names.filter(name => name.endsWith('.sock'))
  t.equal(sockets.length, 1)
  t.equal((await stat(join(data, sockets[0] as string))).mode & 0o777, 0o600)
  await second.close()
  await first.close()
  t.same((await readdir(data)).filter(name => name.endsWith('.sock') || name.startsWith('.lock')), [])
})

t.test('whatever a process sends to the owner, nothing is written but valid mutations, and nothing is delayed', async t => {
  const data = folderOf(t)
  const owner = await sharing(t, data)
  const follower = await sharing(t, data)
  const before = everythingIn(owner)
  const hello = '{"follow":1,"format":"1.1"}\n'
  const attacks: (string | Buffer)[] = [
    'GET / HTTP/1.1\r\n\r\n', '{}\n', '{"follow":2,"format":"1.1"}\n', '{"follow":1,"format":"9"}\n', '{"follow":1\n', `{${'x'.repeat(2_000)}`,
    Buffer.alloc(5_000), `${hello}nonsense\n`, `${hello}[]\n`, `${hello}{"write":1}\n`, `${hello}{"write":"1","request":{}}\n`,
    `${hello}{"ping":1,"write":1,"request":{}}\n`, `${hello}{"steps":[]}\n`, Buffer.concat([Buffer.from(hello), Buffer.from([0x22, 0xff, 0x22, 0x0a])]),
    Buffer.concat([Buffer.from(hello), Buffer.alloc(5 * 1024 * 1024, 'x')]),
    ...['{}', 'null', '[]', '"x"', '{"kind":"__proto__"}', '{"kind":"constructor"}', '{"kind":"deleteUser"}', '{"kind":"deleteUser","user":7}',
      '{"kind":"deleteUser","user":"zoe","more":1}', '{"kind":"assignRole","assignment":{"user":"zoe","role":"admin","tenant":null}}',
      '{"kind":"syncUser","user":{"key":"x"}}', '{"kind":"createTenant","tenant":{"key":""}}'].map(request => `${hello}{"write":1,"request":${request}}\n`)
  ]
  await Promise.all(attacks.map(async bytes => {
    const socket = await connectToHolder(data) as Socket
    let answer = ''
    socket.setEncoding('utf8').on('data', text => { answer += text }).on('error', () => {})
    socket.write(bytes)
    await until(() => socket.destroyed || /"(failed|refused)"/.test(answer))
    t.notMatch(answer, /"done"/, String(bytes).slice(0, 100))
    socket.destroy()
  }))
  t.same(everythingIn(owner), before)
  t.same(await follower.perform(sync('ann')), { status: 'created' })
})

t.test('random bytes and random messages to the owner change nothing, and it serves others', async t => {
  const data = folderOf(t)
  const owner = await sharing(t, data)
  const follower = await sharing(t, data)
  await owner.perform(sync('mia'))
  const before = everythingIn(owner)
  const hello = '{"follow":1,"format":"1.1"}\n'
  const line = fc.oneof(
    fc.json(), fc.string({ unit: 'binary' }),
    fc.record({ ping: fc.oneof(fc.integer(), fc.constant('1')), write: fc.integer(), request: fc.anything() }, { requiredKeys: [] }).map(message => JSON.stringify(message) ?? ''),
    fc.record({ write: fc.integer(), request: fc.record({ kind: fc.constantFrom('syncUser', 'deleteUser', 'createTenant', 'assignRole'), user: fc.anything() }) })
      .map(message => JSON.stringify(message)))
  const sent = fc.oneof(fc.uint8Array({ maxLength: 300 }).map(bytes => Buffer.from(bytes)),
    fc.tuple(fc.boolean(), fc.array(line, { maxLength: 5 })).map(([greets, lines]) => Buffer.from(`${greets ? hello : ''}${lines.join('\n')}\n`)))
  await fc.assert(fc.asyncProperty(sent, fc.boolean(), async (bytes, ends) => {
    const socket = await connectToHolder(data) as Socket
    socket.on('error', () => {}).resume()
    await new Promise<void>(resolve => { socket.write(bytes, () => resolve()) })
    if (ends) socket.end()
    // What was sent before is read before this.
    await follower.perform(sync('mia'))
    socket.destroy()
    const { users, ...rest } = everythingIn(owner)
    const { users: usersBefore, ...restBefore } = before
    assert.deepEqual(rest, restBefore)
    assert.equal(users.length, usersBefore.length)
  }), { numRuns: 60 })
})

t.test('two apps with different policies on one folder: a role that a policy does not know grants nothing there, and no fact is lost', async t => {
  const data = folderOf(t)
  const first = await sharing(t, data)
  const other: Policy = { resources: { task: { actions: { read: {} } } }, roles: { admin: { permissions: [] } }, users: { ann: {} } }
  const second = await Environment.open({ policy: other, data, shared: true, perform })
  t.teardown(() => second.close())
  await first.perform(sync('ann'))
  await first.perform({ kind: 'createResourceInstance', instance: { resource: 'document', key: 'd', tenant: 'default' } })
  await first.perform({ kind: 'assignRole', assignment: { user: 'ann', role: 'reader', resource_instance: 'document:d' } })
  await until(() => [...second.engine.facts.roleAssignments({ user: 'ann' })].length === 2)
  const question = { user: { key: 'ann' }, action: 'read', resource: { type: 'task', tenant: 'default' } }
  t.equal(first.engine.decide(question).allow, true)
  t.equal(second.engine.decide(question).allow, false, 'it has no role "viewer"')
  await t.rejects(second.perform({ kind: 'assignRole', assignment: { user: 'ann', role: 'nobody' } }), { name: 'FactsError' })
  const facts = everythingIn(first)
  await first.close()
  await until(() => second.currentUntil === Infinity)
  t.equal(second.engine.decide(question).allow, false, 'nor when it has the folder')
  await second.close()
  const again = await sharing(t, data)
  t.same(everythingIn(again), facts)
  t.equal(again.engine.decide(question).allow, true)
})

t.test('an owner that belongs to another user is not followed', async t => {
  const data = await shortFolder(t)
  await fakeOwner(t, data, (socket, line) => { if (line.startsWith('{"follow"')) socket.write(CONTENT) })
  const getuid = process.getuid as () => number
  // A superuser can give the socket to another user; all others can only be told that they are another one.
  if (getuid() === 0) await chown(join(data, 'lock-00000000-0000-4000-8000-000000000000.sock'), 65_534, 65_534)
  else process.getuid = () => getuid() + 1
  t.teardown(() => { process.getuid = getuid })
  await t.rejects(sharing(t, data), { code: 'FST_PERMIT_DATA', message: /another user/ })
})

/** A folder with a short path: the address of a socket has about a hundred characters. */
async function shortFolder (t: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'shared-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** A process that has the folder and says what the test wants it to say. */
async function fakeOwner (t: Test, data: string, say: (socket: Socket, line: string) => void): Promise<Server> {
  const server = createServer(socket => {
    socket.on('error', () => {}).setEncoding('utf8').on('data', (text: string) => {
      for (const line of text.split('\n')) if (line !== '') say(socket, line)
    })
  })
  await new Promise<void>(resolve => server.listen(join(data, 'lock-00000000-0000-4000-8000-000000000000.sock'), resolve))
  t.teardown(() => { server.close() })
  return server
}

const CONTENT = '{"snapshot":1}\n[1,1,"{\\"id\\":\\"a\\",\\"created_at\\":\\"b\\",\\"updated_at\\":\\"c\\",\\"fact\\":{\\"key\\":\\"default\\"}}"]\n{"end":{"entries":1,"sum":[1,2]}}\n'
const COMMIT = '{"commit":{"entries":2,"sum":[3,4]}}\n'

t.test('an owner that sends nonsense is not followed: there is no decision, and no half of a change', async t => {
  const lies = [
    'nonsense\n', '[]\n', '{"steps":{}}\n', '{"pong":999}\n', '{"done":1}\n', CONTENT, `{"steps":[{"gone":"nothing","key":"x"}]}\n${COMMIT}`,
    `{"steps":[[2,7,"{}"]]}\n${COMMIT}`, `{"steps":[[99,7,"{}"]]}\n${COMMIT}`, Buffer.from([0x22, 0xff, 0x22, 0x0a])
  ]
  for (const lie of lies) {
    const data = await shortFolder(t)
    const open: Socket[] = []
    let lying = false
    const server = await fakeOwner(t, data, (socket, line) => {
      open.push(socket)
      if (line.startsWith('{"follow"')) {
        if (lying) socket.destroy()
        else socket.write(CONTENT)
      } else if (line.startsWith('{"ping"')) {
        socket.write(line.replace('ping', 'pong') + '\n')
      }
    })
    const lines: string[] = []
    const follower = await sharing(t, data, lines)
    t.ok(follower.currentUntil > performance.now())
    lying = true
    open.at(-1)?.write(lie)
    await until(() => lines.some(line => /cannot share/.test(line)))
    await follower.close()
    for (const socket of open) socket.destroy()
    await new Promise(resolve => server.close(resolve))
  }
})

t.test('a write that is not answered is an error, which says that it may have been made; before a start there is no waiting for ever', async t => {
  const data = await shortFolder(t)
  let socketOfFollower: Socket | undefined
  const server = await fakeOwner(t, data, (socket, line) => {
    socketOfFollower = socket
    if (line.startsWith('{"follow"')) socket.write(CONTENT)
    else if (line.startsWith('{"ping"')) socket.write(line.replace('ping', 'pong') + '\n')
    else socket.destroy()
  })
  const follower = await sharing(t, data)
  await t.rejects(follower.perform(sync('ann')), { name: 'PdpError', message: /may have been made/ })
  t.ok(socketOfFollower)
  await t.rejects(follower.perform({ kind: 'syncUser', user: { key: 'ann', attributes: { text: 'x'.repeat(5_000_000) } }, roles: [] }), { name: 'FactsError', code: 'invalid' })
  await follower.close()
  await new Promise(resolve => server.close(resolve))
  await t.rejects(follower.perform(sync('ann')), { name: 'PdpError', message: /closing/ })
})

t.test('a connection that says nothing is closed, and does not keep the folder', async t => {
  const data = folderOf(t)
  const owner = await sharing(t, data)
  const socket = await connectToHolder(data) as Socket
  const closed = new Promise(resolve => socket.once('close', resolve))
  await owner.close()
  await closed
  t.pass('it was closed with the owner')
})

/** Listens in the folder, and stops before it has accepted a connection, as a process does that is killed. Resolves to its end. */
async function busyOwner (data: string): Promise<() => Promise<unknown>> {
  const path = join(data, `lock-${randomUUID()}.sock`)
  const worker = new Worker(`
    const { parentPort, workerData } = require('node:worker_threads')
    require('node:net').createServer().listen(workerData, () => {
      parentPort.postMessage('listening')
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
    })`, { eval: true, workerData: path })
  await once(worker, 'message')
  return async () => {
    await worker.terminate()
    await rm(path, { force: true })
  }
}

t.test('an owner that ends at any moment of a connection ends no other process, and nobody waits for it', async t => {
  const data = await shortFolder(t)
  const end = await busyOwner(data)
  const socket = await connectToHolder(data) as Socket
  // Some versions of Node report an error, which nobody had to expect.
  await Promise.all([end(), new Promise(resolve => socket.once('close', resolve))])
  t.ok(socket.destroyed)
  for (let round = 0; round < 30; round++) {
    const end = await busyOwner(data)
    const connecting = FactFollower.connect(data, undefined, new AbortController().signal)
    await delay(round % 3)
    await end()
    t.equal(await connecting, undefined)
  }
})
