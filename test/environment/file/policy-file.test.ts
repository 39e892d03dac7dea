// The policy file: every mistake at its line, and no file that does harm.

import t from 'tap'
import { execFileSync } from 'node:child_process'
import { appendFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Engine } from '../../../src/engine/engine.js'
import { MAX_POLICY_BYTES, PolicyError, readPolicyFile } from '../../../src/environment/file/policy-file.js'
import { parsePolicy } from '../../support/parse-policy.js'

const VALID = `# Who may do what
resources:
  task:
    actions: { read: {}, delete: }
    relations:
      parent: folder
  folder:
    actions:
      read:
roles:
  viewer:
    permissions: [task:read]
  admin:
    extends:
      - viewer
user_sets:
  us: &us
    conditions: { user.location: { equals: US } }
tenants:
  acme:
users:
  john: { attributes: { age: 42 } }
role_assignments:
  - user: john
    role: admin
    tenant: acme
`

function failure (work: () => unknown): PolicyError {
  try {
    work()
  } catch (error) {
    if (error instanceof PolicyError) return error
    throw error
  }
  throw new Error('it did not fail')
}

async function rejection (work: Promise<unknown>): Promise<unknown> {
  return await work.then(() => { throw new Error('it did not fail') }, error => error)
}

const at = (error: PolicyError) => error.problems.map(({ file, line, column }) => `${file}:${line}:${column}`)

t.test('a YAML file is read, and the engine accepts it', async t => {
  const path = join(t.testdir({ 'permit.yaml': VALID }), 'permit.yaml')
  const policy = await readPolicyFile(path)
  t.same(Object.keys(policy.resources ?? {}), ['task', 'folder'])
  t.equal(new Engine(policy).decide({ user: { key: 'john' }, action: 'read', resource: { type: 'task', tenant: 'acme' } }).allow, true)
})

t.test('a JSON file is read, with the same validation', async t => {
  const policy = parsePolicy(VALID)
  const dir = t.testdir({ 'permit.json': JSON.stringify(policy, null, '\t'), 'bad.json': '{\n\t"roles": {\n\t\t"viewer": { "permissions": ["task:read"] }\n\t}\n}\n' })
  t.same(await readPolicyFile(join(dir, 'permit.json')), policy)
  t.match(await rejection(readPolicyFile(join(dir, 'bad.json'))), { problems: [{ line: 3, column: 31, message: /'task' is not defined/ }] })
})

t.test('a byte order mark and Windows line ends are accepted', async t => {
  const dir = t.testdir({ 'permit.yaml': '\uFEFF' + VALID.replaceAll('\n', '\r\n') })
  t.same(await readPolicyFile(join(dir, 'permit.yaml')), parsePolicy(VALID))
})

t.test('a mistake is reported with file, line, column, path, problem and fix', async t => {
  const path = join(t.testdir({ 'permit.yaml': VALID.replace('[task:read]', '[task:raed]') }), 'permit.yaml')
  await t.rejects(readPolicyFile(path), {
    name: 'PolicyError',
    message: `The policy has a problem:\n  ${path}:12:19  roles.viewer.permissions[0]  resource type 'task' has no action 'raed' — did you mean 'read'?`,
    problems: [{ file: path, line: 12, column: 19, path: ['roles', 'viewer', 'permissions', 0] }]
  })
})

t.test('each mistake is reported where it is', async t => {
  const cases: Array<[string, string, string]> = [
    ['- viewer', '- viewr', '15:9'],
    ['parent: folder', 'parent: foldr', '6:7'],
    ['equals: US', 'eqauls: US', '18:36'],
    ['tenant: acme', 'tenant: acne', '26:5'],
    ['role: admin', 'role: amdin', '25:5'],
    ['user: john', 'user: jon', '24:5'],
    ['user: john', 'usr: john', '24:5'],
    ['tenants:', 'tenant:', '19:1'],
    ['age: 42', 'age: 42 }, emial: { a: 1', '22:36'],
    ['[task:read]', 'task:read', '12:5']
  ]
  for (const [from, to, place] of cases) {
    const error = failure(() => parsePolicy(VALID.replace(from, to), { file: 'p.yaml' }))
    t.ok(at(error).includes(`p.yaml:${place}`), `${to}: ${error.message}`)
  }
})

t.test('problems come in the order of the file', async t => {
  const error = failure(() => parsePolicy(VALID.replace('role: admin', 'role: amdin').replace('- viewer', '- viewr').replace('us: &us', 'us:\n    nonsense: 1'), { file: 'p' }))
  t.same(error.problems.map(({ line }) => line), [15, 18, 26])
})

t.test('a duplicate key is a mistake at any depth, in YAML and in JSON', async t => {
  const yaml = failure(() => parsePolicy(VALID.replace('  admin:', '  viewer: {}\n  admin:'), { file: 'p' }))
  t.match(yaml.problems, [{ line: 13, column: 3, path: ['roles', 'viewer'], message: "'viewer' appears twice", hint: /already on line 11/ }])
  const json = failure(() => parsePolicy('{ "users": { "a": { "attributes": { "x": [{ "y": 1, "y": 2 }] } } } }', { file: 'p' }))
  t.match(json.problems, [{ path: ['users', 'a', 'attributes', 'x', 0, 'y'], message: /twice/ }])
  t.match(failure(() => parsePolicy('users: { 1: {}, "1": {} }')).problems, [{ message: "'1' appears twice" }])
  t.match(failure(() => parsePolicy('users: {}\nroles: {}\nusers: {}')).problems, [{ line: 3 }])
})

t.test('a truncated file is a mistake, unless the rest is a valid policy', async t => {
  const json = JSON.stringify(parsePolicy(VALID))
  for (let length = 0; length < json.length; length++) t.throws(() => parsePolicy(json.slice(0, length)), { name: 'PolicyError' }, `JSON cut at ${length}`)
  let whole = 0
  for (let length = 0; length < VALID.length; length++) {
    try {
      parsePolicy(VALID.slice(0, length))
      whole++
    } catch (error) {
      t.equal((error as Error).name, 'PolicyError', `YAML cut at ${length}`)
    }
  }
  t.ok(whole < VALID.length / 2)
})

t.test('broken syntax is reported with its line', async t => {
  for (const [text, line] of [['resources: {', 1], ['a:\n  b: 1\n c: 2', 3], ['a: }', 1], ['users:\n  a: "x', 2], ['users:\n\ta: {}', 2], ['a: 1\n--- \nb: 2', 2], ['a: *nowhere', 1], ['roles: !js/function "x"', 1], ['users: {}\n}', 2]] as const) {
    const error = failure(() => parsePolicy(text, { file: 'p.yaml' }))
    t.equal(error.problems[0]?.line, line, `${JSON.stringify(text)}: ${error.message}`)
  }
})

t.test('an empty file is a mistake', async t => {
  for (const text of ['', '\n', '# nothing\n', '---\n', 'null']) t.match(failure(() => parsePolicy(text)).problems, [{ message: /empty/ }])
})

t.test('aliases are resolved, and their size is limited', async t => {
  const policy = parsePolicy(VALID.replace('tenants:', '  they: *us\ntenants:'))
  t.same(policy.user_sets?.['they'], policy.user_sets?.['us'])
  const laughs = ['a0: &a0 [lol, lol]', ...Array.from({ length: 30 }, (_, index) => `a${index + 1}: &a${index + 1} [${Array(9).fill(`*a${index}`).join(', ')}]`)].join('\n')
  const start = performance.now()
  t.match(failure(() => parsePolicy(laughs)).problems, [{ message: /aliases/ }])
  t.match(failure(() => parsePolicy(`a: &a [x]\nb: [${Array(20_000).fill('*a').join()}]`)).problems, [{ message: /aliases/ }])
  t.match(failure(() => parsePolicy('roles: &a { b: *a }')).problems, [{ message: /./ }])
  t.ok(performance.now() - start < 5_000)
})

t.test('nesting that would overflow the stack is refused before anything recursive reads it', async t => {
  for (const unit of ['[', '{a: ', '- ', '? ', '[\n', '- - ', '- [']) {
    for (const count of [200, 50_000, 300_000]) {
      const start = performance.now()
      t.match(failure(() => parsePolicy(unit.repeat(count), { file: 'p' })).problems, [{ message: /nested deeper than 128 levels/, file: 'p' }], `${JSON.stringify(unit)} × ${count}`)
      t.ok(performance.now() - start < 2_000)
    }
  }
  const stairs = Array.from({ length: 400 }, (_, depth) => `${' '.repeat(depth)}a:`).join('\n')
  t.match(failure(() => parsePolicy(stairs)).problems, [{ message: /nested deeper/, line: 129 }])
  const flat = `roles:\n${Array.from({ length: 2_000 }, (_, index) => `  r${index}:\n    permissions:\n    - "x:[[[[${'- '.repeat(200)}"\n`).join('')}`
  t.notMatch(failure(() => parsePolicy(flat)).message, /nested/, 'text with brackets in it, and many lines, are not deep')
  t.doesNotThrow(() => parsePolicy(`users:\n${Array.from({ length: 2_000 }, (_, index) => `  u${index}:\n    attributes:\n      a: [1, { b: [2] }]\n`).join('')}`))
})

t.test('names of properties of Object.prototype are ordinary names', async t => {
  const policy = parsePolicy('resources: { __proto__: { actions: { constructor: {} } } }\nroles: { toString: { permissions: ["__proto__:constructor"] } }\nusers: { __proto__: {} }\nrole_assignments: [{ user: __proto__, role: toString }]')
  t.equal(new Engine(policy).decide({ user: { key: '__proto__' }, action: 'constructor', resource: { type: '__proto__', tenant: 'default' } }).allow, true)
  t.equal(({} as Record<string, unknown>)['actions'], undefined, 'no prototype was touched')
})

t.test('a file of 50 MB is refused before it is read', async t => {
  const path = join(t.testdir({ 'permit.yaml': VALID }), 'permit.yaml')
  truncateSync(path, 50 * 1024 * 1024)
  const before = process.memoryUsage().arrayBuffers
  const start = performance.now()
  t.match(await rejection(readPolicyFile(path)), { problems: [{ message: /too large: 52428800 bytes, of at most 4194304/ }] })
  t.ok(performance.now() - start < 1_000)
  t.ok(process.memoryUsage().arrayBuffers - before < 10_000_000)
  t.match(failure(() => parsePolicy(' '.repeat(MAX_POLICY_BYTES + 1))).problems, [{ message: /too large/ }])
  await t.resolves(readPolicyFile(join(t.testdir({ 'small.yaml': VALID }), 'small.yaml'), { maxBytes: VALID.length }))
  t.match(await rejection(readPolicyFile(join(t.testdir({ 'small.yaml': VALID }), 'small.yaml'), { maxBytes: VALID.length - 1 })), { problems: [{ message: /too large/ }] })
})

t.test('a large file with many keys is read in time proportional to its size', async t => {
  const users = Array.from({ length: 40_000 }, (_, index) => `  user-${index}: {}\n`).join('')
  // Of the processor, not of the wall: other tests run beside it.
  const start = process.cpuUsage()
  t.equal(Object.keys(parsePolicy(`users:\n${users}`).users ?? {}).length, 40_000)
  const many = failure(() => parsePolicy(`roles: {}\nusers: {}\nrole_assignments:\n${Array.from({ length: 20_000 }, (_, index) => `- { user: u${index}, role: r${index} }\n`).join('')}`))
  t.ok(many.problems.length <= 500)
  const { user, system } = process.cpuUsage(start)
  t.ok((user + system) / 1_000 < 10_000, `${(user + system) / 1_000} ms`)
})

t.test('anything but a readable text file is refused with a message', async t => {
  const dir = t.testdir({ 'latin1.yaml': Buffer.from('users: { j\xF6rg: {} }', 'latin1') })
  t.match(await rejection(readPolicyFile(join(dir, 'missing.yaml'))), { name: 'PolicyError', problems: [{ message: /cannot be read: ENOENT/, file: join(dir, 'missing.yaml') }] })
  t.match(await rejection(readPolicyFile(dir)), { problems: [{ message: /not a file/ }] })
  t.match(await rejection(readPolicyFile('/dev/zero')), { problems: [{ message: /not a file/ }] })
  t.match(await rejection(readPolicyFile(join(dir, 'latin1.yaml'))), { problems: [{ message: /not UTF-8/ }] })
  if (process.platform !== 'win32') {
    execFileSync('mkfifo', [join(dir, 'pipe.yaml')])
    t.match(await rejection(readPolicyFile(join(dir, 'pipe.yaml'))), { problems: [{ message: /not a file/ }] }, 'a pipe that nobody writes to is not waited for')
  }
})

t.test('a file that changes while it is read is refused', async t => {
  const path = join(t.testdir({ 'permit.yaml': '' }), 'permit.yaml')
  writeFileSync(path, VALID + '# '.padEnd(1_000_000, 'x') + '\n')
  const reading = readPolicyFile(path)
  const growing = setInterval(() => appendFileSync(path, '# more\n'), 0)
  // Whether the change meets the reading is luck; a policy that is read is a whole one, and nothing else is thrown.
  await reading.then(policy => t.same(policy, parsePolicy(VALID)), error => t.match(error.problems, [{ message: /changed while it was read/ }]))
  clearInterval(growing)
})
