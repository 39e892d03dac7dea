// An embedded PDP without a folder, written to in one of several processes: its log says that the others do not see the write.
import { fork } from 'node:child_process'
import { join } from 'node:path'
import t from 'tap'
import permit from '../../../src/index.js'
import { fastifyFor, logSink } from '../../support/app.js'
import { folderWith } from '../../support/documents.js'
import '../../support/loader.js'

const policy = { resources: { task: { actions: { read: {} } } }, roles: { reader: { permissions: ['task:read'] } } }
const WARNING = /one of several.*other processes do not see this write.*option \\?"data\\?".*fastify-permit pdp/

t.test('workers of a cluster warn at their first write, once, and the process that stands alone does not', async t => {
  const folder = await folderWith(t, {
    'main.ts': `
import cluster from 'node:cluster'
import Fastify from 'fastify'
import permit from '../../src/index.ts'
if (cluster.isPrimary && process.argv[2] === 'cluster') {
  cluster.fork().on('message', lines => { process.send(lines); process.disconnect() })
} else {
  const lines = []
  const app = Fastify({ logger: { level: 'warn', stream: { write: line => { lines.push(line) } } } })
  await app.register(permit, { policy: ${JSON.stringify(policy)} })
  await app.permit.api.syncUser({ key: 'ann' })
  await app.permit.api.assignRole('ann', 'reader')
  await app.close()
  process.send(lines)
  process.disconnect()
}
`
  })
  for (const [mode, warnings] of [['cluster', 1], ['alone', 0]] as const) {
    const child = fork(join(folder, 'main.ts'), [mode], { execArgv: ['--import=tsx'] })
    const lines = await new Promise<string[]>((resolve, reject) => {
      child.once('message', message => resolve(message as string[]))
      child.once('exit', code => reject(new Error(`exit ${code} without a word`)))
    })
    t.equal(lines.filter(line => WARNING.test(line)).length, warnings, mode)
  }
})

t.test('an additional instance of PM2 warns, too, but not with a folder, which processes share', async t => {
  process.env['NODE_APP_INSTANCE'] = '1'
  t.teardown(() => { delete process.env['NODE_APP_INSTANCE'] })
  const data = await folderWith(t, {})
  for (const [options, warnings] of [[{}, 1], [{ data }, 0]] as const) {
    const { logger, lines } = logSink('warn')
    const app = fastifyFor(t, { logger })
    await app.register(permit, { policy, ...options })
    await app.permit.api.syncUser({ key: 'ann' })
    await app.permit.api.assignRole('ann', 'reader')
    t.equal(lines.filter(({ msg }) => WARNING.test(String(msg))).length, warnings)
  }
})
