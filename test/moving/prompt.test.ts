// What a person sees who is asked before deletions: the command on a real terminal.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import t, { type Test } from 'tap'
import { built } from '../support/built.js'
import { environmentFor, folderFor, KEY } from './support.js'

/** Runs it on a terminal made by `script`, which every Linux has, and types the answer when the question is there. */
async function onTerminal (t: Test, args: readonly string[], env: Record<string, string>, answer: string) {
  const line = [process.execPath, built('cli/main.js'), ...args].map(word => `'${word}'`).join(' ')
  const child = spawn('script', ['-q', '-e', '-c', line, '/dev/null'], { env: { PATH: process.env['PATH'] ?? '', ...env }, stdio: ['pipe', 'pipe', 'inherit'] })
  t.teardown(() => { child.kill('SIGKILL') })
  const closed = once(child, 'close') as Promise<[number]>
  let text = ''
  child.stdout.setEncoding('utf8').on('data', chunk => {
    const before = text.includes('[y/N]')
    text += chunk
    if (!before && text.includes('[y/N]')) child.stdin.write(answer)
  })
  const [code] = await closed
  return { code, text: stripVTControlCharacters(text).replaceAll('\r', '') }
}

t.test('deletions must be confirmed: only a yes deletes', async t => {
  const { client, permit, url } = await environmentFor(t, { roles: { old: {} } })
  const file = join(await folderFor(t, { 'permit.yaml': 'roles: { viewer: {} }\n' }), 'permit.yaml')
  const env = { PERMIT_API_URL: url, PERMIT_API_KEY: KEY }
  const push = (answer: string) => onTerminal(t, ['push', '--policy', file, '--prune'], env, answer)
  for (const no of ['\r', 'n\r', 'yess\r']) {
    const { code, text } = await push(no)
    t.equal(code, 1)
    t.match(text, /- delete role 'old'[^]*Delete 1 object of the environment\? \[y\/N\] [^]*Nothing was changed\./)
  }
  t.match(await client.ask('GET', 'schema', '/roles'), [{ key: 'old' }])
  const { code, text } = await push('y\r')
  t.match({ code, text }, { code: 0, text: /\[y\/N\] y\n[^]*Done: 1 create, 1 delete\./ })
  t.match(await client.ask('GET', 'schema', '/roles'), [{ key: 'viewer' }])
  t.match(await permit('push', '--policy', file, '--prune'), { code: 0, out: 'There is no difference.' })
})

t.test('an end of input is a no', async t => {
  const { client, url } = await environmentFor(t, { roles: { old: {} } })
  const file = join(await folderFor(t, { 'permit.yaml': 'roles: { viewer: {} }\n' }), 'permit.yaml')
  const { code } = await onTerminal(t, ['push', '--policy', file, '--prune'], { PERMIT_API_URL: url, PERMIT_API_KEY: KEY }, '\u0004')
  t.not(code, 0)
  t.match(await client.ask('GET', 'schema', '/roles'), [{ key: 'old' }])
})
