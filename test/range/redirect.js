// Puts other versions of the peers in place of the installed ones, for a process and those that it starts: `node --import=./test/range/redirect.js`.
import { register } from 'node:module'

/** By the name that is imported, the alias of test/range/packages/package.json that is loaded instead. */
const peers = JSON.parse(process.env.RANGE_PEERS ?? '{}')

register('./resolve.js', import.meta.url, { data: { peers } })
