// The versions of the peers that are tested: those of packages/, and those that the project installs.
import { readFile } from 'node:fs/promises'
import { root } from '../support/documents.js'

/** A peer, by the name that the project imports it by, and the name of its package. */
export interface Peer {
  readonly name: string
  readonly package: string
  /** The part of the peer range that it is tested for. */
  readonly range: string
  /** What its aliases begin with. */
  readonly alias: string
}

interface Manifest {
  readonly version: string
  readonly dependencies: Readonly<Record<string, string>>
  readonly devDependencies: Readonly<Record<string, string>>
  readonly peerDependencies: Readonly<Record<string, string>>
}

export async function manifestOf (folder: string): Promise<Manifest> {
  return JSON.parse(await readFile(`${root}${folder}package.json`, 'utf8')) as Manifest
}

/** One for each part of each peer range: the project has Express 4 under a name of its own. */
export async function peers (): Promise<Peer[]> {
  const { peerDependencies, devDependencies } = await manifestOf('')
  // The clients of the bus have open ranges: a few of their methods are used, and each app brings the version that it has. The installed one is tested.
  const listed = Object.entries(peerDependencies).filter(([name, range]) => name in devDependencies && !range.startsWith('>='))
  return listed.flatMap(([packageName, ranges]) => ranges.split('||').map(part => {
    const range = part.trim()
    const name = packageName === 'express' && major(range) === '4' ? 'express4' : packageName
    return { name, package: packageName, range, alias: `${name.replace('@', '').replace('/', '-')}-` }
  }))
}

/** The versions of a peer that can be put in its place, the oldest first. */
export async function versionsOf (peer: Peer): Promise<string[]> {
  const { dependencies } = await manifestOf('test/range/packages/')
  return Object.keys(dependencies)
    .filter(alias => alias.startsWith(peer.alias))
    .map(alias => alias.slice(peer.alias.length))
    .filter(version => /^\d/.test(version) && major(version) === major(peer.range))
    .sort(byAge)
}

/** The version of a peer that the project has installed. */
export async function installedOf (peer: Peer): Promise<string> {
  return (await manifestOf(`node_modules/${peer.name}/`)).version
}

export function byAge (left: string, right: string): number {
  const [numbers, others] = [left, right].map(version => version.split('.').map(Number)) as [number[], number[]]
  for (const [index, number] of numbers.entries()) {
    const difference = number - (others[index] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}

/** Of a version, or of the oldest one that a range allows. */
export function minor (version: string): string {
  return version.replace('^', '').split('.').slice(0, 2).join('.')
}

function major (version: string): string {
  return version.replace('^', '').split('.')[0] ?? ''
}
