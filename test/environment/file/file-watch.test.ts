// The policy file is watched: a new version counts at once, one that cannot be used changes nothing.
import { rename, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { AffectedUsers } from '../../../src/contract/affected-users.js'
import { Environment } from '../../../src/environment/environment.js'

const text = (roles: string[], more = '') => `
resources:
  task: { actions: { create: {}, retrieve: {} } }
roles:
${roles.map(role => `  ${role}: { permissions: [task:create] }`).join('\n')}
${more}`

/** An environment of a file, and promises of what it will say. */
async function watched (t: Test, { withData = false } = {}) {
  const dir = t.testdir({ 'permit.yaml': text(['admin'], 'users: { ann: {} }') })
  const file = join(dir, 'permit.yaml')
  const lines: Array<{ level: string, details: { reason?: string }, message: string }> = []
  let wake = () => {}
  // A watch keeps no process alive, and a test has nothing else that would.
  const alive = setInterval(() => {}, 60_000)
  t.teardown(() => clearInterval(alive))
  const say = (level: string) => (details: object, message: string) => {
    lines.push({ level, details, message })
    wake()
  }
  const environment = await Environment.open({ policy: file, data: withData ? join(dir, 'data') : undefined, log: { info: say('info'), warn: say('warn') } })
  t.teardown(() => environment.close())
  const changes: AffectedUsers[] = []
  environment.onChange(change => { changes.push(change) })
  /** Resolves with the next line of the log that is of this level. */
  const line = async (level: string) => {
    for (;;) {
      const index = lines.findIndex(line => line.level === level)
      if (index !== -1) return lines.splice(index, 1)[0]
      await new Promise<void>(resolve => { wake = resolve })
    }
  }
  return { dir, file, environment, changes, line, lines, roles: () => Object.keys(environment.schema.roles) }
}

t.test('a rewritten file takes effect at once', async t => {
  const { file, line, changes, roles, environment } = await watched(t)
  for (const role of ['one', 'two', 'three']) {
    await writeFile(file, text([role], `users: { ${role}: {} }`))
    await line('info')
    t.same(roles(), [role])
    t.same([...environment.engine.facts.users()].map(({ key }) => key), [role])
  }
  t.same(changes, [{ all: true }, { all: true }, { all: true }])
})

t.test('a file that is renamed into place, as editors do, takes effect, again and again', async t => {
  const { dir, file, line, roles } = await watched(t)
  for (const role of ['one', 'two', 'three']) {
    await writeFile(join(dir, 'swap'), text([role]))
    await rename(join(dir, 'swap'), file)
    await line('info')
    t.same(roles(), [role])
  }
})

t.test('a deleted file stays in use, and takes effect again when it is back', async t => {
  const { file, line, roles } = await watched(t)
  await rm(file)
  t.match(await line('warn'), { details: { reason: /cannot be read/ } })
  t.same(roles(), ['admin'])
  await writeFile(file, text(['back']))
  await line('info')
  t.same(roles(), ['back'])
})

t.test('a changed symbolic link is noticed, as Kubernetes mounts files', async t => {
  const alive = setInterval(() => {}, 60_000)
  t.teardown(() => clearInterval(alive))
  const dir = t.testdir({ one: { 'permit.yaml': text(['one']) }, two: { 'permit.yaml': text(['two']) } })
  await symlink('one', join(dir, '..data'))
  await symlink(join('..data', 'permit.yaml'), join(dir, 'permit.yaml'))
  const used = new Promise<void>((resolve, reject) => {
    Environment.open({ policy: join(dir, 'permit.yaml'), log: { info: () => resolve(), warn: (_, message) => reject(new Error(message)) } }).then(async environment => {
      t.teardown(() => environment.close())
      t.same(Object.keys(environment.schema.roles), ['one'])
      await symlink('two', join(dir, '..data_tmp'))
      await rename(join(dir, '..data_tmp'), join(dir, '..data'))
      await used
      t.same(Object.keys(environment.schema.roles), ['two'])
    }).catch(reject)
  })
  await used
})

t.test('an invalid version changes nothing and is logged once; the next valid one takes effect', async t => {
  const { dir, file, line, lines, changes, roles } = await watched(t)
  // Renamed into place, so that no half of it is ever seen.
  const save = async (text: string) => {
    await writeFile(join(dir, 'swap'), text)
    await rename(join(dir, 'swap'), file)
  }
  const broken = text(['broken']).replace('task:create', 'task:craete')
  await save(broken)
  t.match(await line('warn'), { message: /stays in use/, details: { reason: /permit\.yaml:\d+:\d+.*craete/s } })
  t.same(roles(), ['admin'])
  await save(broken)
  await save(text(['valid']))
  await line('info')
  t.same(roles(), ['valid'])
  t.same(lines.filter(({ level }) => level === 'warn'), [])
  t.same(changes, [{ all: true }])
})

t.test('a half-written file takes effect when it is complete', async t => {
  const { file, line, roles } = await watched(t)
  const whole = text(['whole'])
  await writeFile(file, whole.slice(0, whole.indexOf('task:create')))
  await line('warn')
  t.same(roles(), ['admin'])
  await writeFile(file, whole)
  await line('info')
  t.same(roles(), ['whole'])
})

t.test('the same content in another form, or another file, is no change', async t => {
  const { dir, file, line, changes } = await watched(t)
  await writeFile(join(dir, 'other.yaml'), 'x')
  await writeFile(file, `# a comment\n${text(['admin'], 'users: { ann: {} }')}`)
  await writeFile(file, text(['another']))
  await line('info')
  t.equal(changes.length, 1)
})

t.test('schema changes by the API stay when the file changes elsewhere, and are replaced when the file changes the same part', async t => {
  const { file, line, roles, environment } = await watched(t)
  await environment.updateSchema(draft => { draft.roles['api'] = { permissions: ['task:retrieve'] } })
  await writeFile(file, text(['admin'], 'users: { ann: {}, bob: {} }'))
  await line('info')
  t.same(roles(), ['admin', 'api'])
  t.ok(environment.get('user', 'bob'))
  await writeFile(file, text(['admin', 'file']))
  await line('info')
  t.same(roles(), ['admin', 'file'])
})

t.test('with a folder, the schema is reloaded, and the facts are those of the folder', async t => {
  const { file, line, roles, environment } = await watched(t, { withData: true })
  await writeFile(file, text(['admin', 'new'], 'users: { carl: {} }'))
  await line('info')
  t.same(roles(), ['admin', 'new'])
  t.same([...environment.engine.facts.users()].map(({ key }) => key), ['ann'])
})

t.test('a change while the environment opens is not missed', async t => {
  const alive = setInterval(() => {}, 60_000)
  t.teardown(() => clearInterval(alive))
  const dir = t.testdir({ 'permit.yaml': text(['one']) })
  const file = join(dir, 'permit.yaml')
  const opening = Environment.open({ policy: file })
  await writeFile(join(dir, 'swap'), text(['two']))
  await rename(join(dir, 'swap'), file)
  const environment = await opening
  t.teardown(() => environment.close())
  if (environment.schema.roles['two'] === undefined) await new Promise<void>(resolve => { environment.onChange(() => resolve()) })
  t.same(Object.keys(environment.schema.roles), ['two'])
})

t.test('a closed environment does not watch any more', async t => {
  const { file, environment, lines, roles } = await watched(t)
  await environment.close()
  await writeFile(file, text(['late']))
  t.same(roles(), ['admin'])
  t.same(lines, [])
})
