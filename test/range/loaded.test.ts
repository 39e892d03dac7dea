// Which versions of the peers are tested: those that were asked for, and with them the whole of what package.json promises.
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { byAge, installedOf, minor, peers, versionsOf } from './versions.js'

/** By a peer's name, the alias that `npm run test:range` has put in its place. */
const asked = JSON.parse(process.env.RANGE_PEERS ?? '{}') as Record<string, string>

for (const peer of await peers()) {
  const { name, package: packageName, range, alias } = peer

  t.test(`${name} is the requested version`, async t => {
    const entry = fileURLToPath(import.meta.resolve(name))
    const [folder] = /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(entry) ?? ['']
    const manifest = JSON.parse(await readFile(`${folder}/package.json`, 'utf8')) as { name: string, version: string }
    t.match(manifest, { name: packageName, version: asked[name]?.slice(alias.length) ?? await installedOf(peer) })
  })

  t.test(`${name}: every minor of ${range} is tested`, async t => {
    const versions = await versionsOf(peer)
    const installed = await installedOf(peer)
    t.equal(`^${versions[0]}`, range, 'from the oldest on')
    const newest = [...versions, installed].sort(byAge).at(-1) as string
    const last = Number(minor(newest).split('.')[1])
    const first = Number(minor(range).split('.')[1])
    const minors = new Set([...versions, installed].map(minor))
    const major = newest.split('.')[0]
    t.same([...Array(last - first + 1).keys()].map(index => `${major}.${first + index}`).filter(minor => !minors.has(minor)), [], 'none is left out')
  })
}
