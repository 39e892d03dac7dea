// Puts other versions of the peers in place of the installed ones, for a process and those that it starts: `node --import=./test/range/redirect.js`.
import { readFileSync } from 'node:fs'
import { register } from 'node:module'

/** By the name that is imported, the alias of test/range/packages/package.json that is loaded instead. */
const peers = JSON.parse(process.env.RANGE_PEERS ?? '{}')

/** A folder of test/range/families, whose packages are loaded instead of those with their names. */
const folder = process.env.RANGE_FAMILY
const family = folder && { folder, names: Object.keys(JSON.parse(readFileSync(new URL(`families/${folder}/package.json`, import.meta.url), 'utf8')).dependencies) }

register('./resolve.js', import.meta.url, { data: { peers, family } })
