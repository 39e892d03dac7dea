// `fastify-permit backup` and `restore`: what they say, and their exit codes.
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { Environment } from '../../../src/environment/environment.js'
import { permit } from '../in-process.js'
import { start } from '../support.js'

t.test('a backup and a restore print what they did', async t => {
  const dir = t.testdir()
  const [data, file, copy] = [join(dir, 'data'), join(dir, 'monday.backup'), join(dir, 'copy')]
  const environment = await Environment.open({ data, policy: { roles: { admin: {} } } })
  t.teardown(() => environment.close())
  await environment.write(facts => facts.createUser({ key: 'ann' }, [{ role: 'admin' }]))

  const backup = await permit(['backup', '--data', data, '--to', file])
  t.match(backup, { code: 0, out: /^Backed up 4 records \(\d+ bytes\) to .*monday\.backup$/, err: '' })
  const restore = await permit(['restore', '--data', copy, '--from', file])
  t.match(restore, { code: 0, out: /^Restored 4 records of \d{4}-.*Z into .*copy$/, err: '' })
  const restored = await Environment.open({ data: copy })
  t.teardown(() => restored.close())
  t.ok(restored.get('user', 'ann'))
})

t.test('without --yes nothing is replaced, and mistakes are explained', async t => {
  const dir = t.testdir({ 'there.backup': 'mine', new: {} })
  const data = join(dir, 'data')
  const environment = await Environment.open({ data })
  t.teardown(() => environment.close())
  const file = join(dir, 'there.backup')
  t.match(await permit(['backup', '--data', data, '--to', file]), { code: 1, err: /already exists; give another name, or replace it with --yes/ })
  t.equal(await readFile(file, 'utf8'), 'mine')
  t.match(await permit(['backup', '--data', data, '--to', file, '--yes']), { code: 0 })
  t.match(await permit(['restore', '--data', data, '--from', file, '--yes']), { code: 1, err: /in use by another process/ })
  await environment.close()
  t.match(await permit(['restore', '--data', data, '--from', file]), { code: 1, err: /already contains facts; give another folder, or replace them with --yes/ })
  t.match(await permit(['restore', '--data', data, '--from', file, '--yes']), { code: 0 })
  await writeFile(file, 'mine')
  t.match(await permit(['restore', '--data', data, '--from', file, '--yes']), { code: 1, err: /damaged or incomplete/ })
  t.match(await permit(['backup', '--to', file]), { code: 2, err: /--data is missing/ })
  t.match(await permit(['backup', '--data', data]), { code: 2, err: /--to is missing/ })
  t.match(await permit(['restore', '--from', file]), { code: 2, err: /--data is missing/ })
  t.match(await permit(['restore', '--data', data]), { code: 2, err: /--from is missing/ })
  t.match(await permit(['restore', '--data', data, '--form', file]), { code: 2, err: /did you mean '--from'/ })
})

t.test('a running local PDP can be backed up; a damaged folder names the command that restores it', { timeout: 60_000 }, async t => {
  const dir = t.testdir()
  const [data, file] = [join(dir, 'data'), join(dir, 'facts.backup')]
  const pdp = start(t, ['pdp', '--data', data, '--port', '0'])
  const [, url] = await pdp.line(/listens on (\S+)/)
  const created = await fetch(`${url}/facts/users`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"key":"ann"}' })
  t.equal(created.ok, true)
  t.match(await start(t, ['backup', '--data', data, '--to', file]).ended(), { code: 0, out: /^Backed up 2 records/ })
  pdp.process.kill('SIGKILL')
  await pdp.ended()
  const bytes = await readFile(join(data, 'facts.mdb'))
  await writeFile(join(data, 'facts.mdb'), bytes.fill(0xaa, 4_096, 8_192))

  const broken = await start(t, ['pdp', '--data', data, '--port', '0']).ended()
  t.match(broken, { code: 1, err: /facts\.mdb is damaged.*npx fastify-permit restore --data/ })
  t.match(await start(t, ['restore', '--data', data, '--from', file, '--yes']).ended(), { code: 0, out: /^Restored 2 records/ })
  const again = start(t, ['pdp', '--data', data, '--port', '0'])
  const [, second] = await again.line(/listens on (\S+)/)
  t.equal((await fetch(`${second}/facts/users/ann`)).status, 200)
  again.process.kill('SIGTERM')
  t.equal((await again.ended()).code, 0)
})
