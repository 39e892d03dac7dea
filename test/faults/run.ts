// A process that tries a share of the faults on a wire, or one of them, and tells on stdout what came of each, one as JSON on each line.
import dns from 'node:dns'
import { createServer, type AddressInfo } from 'node:net'
import tls from 'node:tls'
import { createAuthority } from './certificates.js'
import { faultsOf, LOST_HOST } from './faults.js'
import type { Fault } from './hostile-pdp.js'
import { rowOf, type Row } from './matrix.js'
import { wires, type Wire } from './wire.js'

/** What it tells last. */
export interface Summary {
  /** Connections to a server that nobody has any business with. */
  readonly strayConnections: number
}

/** Faults at a time: many of them wait for a deadline. */
const TOGETHER = 3

const [name, share, shares, only] = process.argv.slice(2)

// The app loads the transport when its options ask for it. The loader of the tests finds its packages by a stack: so it is loaded while there are stacks.
await import('../../src/pdp/http/transport.js')

// Errors by the ten thousand, of which nobody reads the stack.
Error.stackTraceLimit = 0

const authority = createAuthority('trusted')
trust(authority.cert)
let lost = false
findUnlessLost()

let strayConnections = 0
const elsewhere = createServer(socket => {
  strayConnections++
  socket.destroy()
})
await new Promise<void>(resolve => elsewhere.listen(0, '127.0.0.1', resolve))

const faults = faultsOf(wires.find(wire => wire.name === name) as Wire, {
  elsewhere: `http://127.0.0.1:${(elsewhere.address() as AddressInfo).port}`, authority, stranger: createAuthority('unknown')
}).filter((fault, index) => only === undefined ? index % Number(shares) === Number(share) : fault.name === only).map(losing)
const light = faults.filter(fault => fault.heavy !== true)
await Promise.all(Array.from({ length: TOGETHER }, async () => {
  for (let fault = light.shift(); fault !== undefined; fault = light.shift()) await tell(fault)
}))
for (const fault of faults) if (fault.heavy === true) await tell(fault)
console.log(JSON.stringify({ strayConnections } satisfies Summary))
elsewhere.close()

async function tell (fault: Fault): Promise<void> {
  const row = await rowOf(wires.find(wire => wire.name === name) as Wire, fault)
  console.log(JSON.stringify(row satisfies Row))
}

/** Makes this process trust an authority, as NODE_EXTRA_CA_CERTS does for one that starts. */
function trust (ca: string): void {
  const { createSecureContext } = tls
  tls.createSecureContext = options => createSecureContext({ ca, ...options })
}

/** Knows a name that no resolver knows, as long as it is not lost. */
function findUnlessLost (): void {
  const { lookup } = dns
  const patched = (name: string, options: dns.LookupOptions, callback: (...results: unknown[]) => void): void => {
    if (name !== LOST_HOST || lost) lookup(name, options, callback)
    else process.nextTick(callback, null, options.all === true ? [{ address: '127.0.0.1', family: 4 }] : '127.0.0.1', 4)
  }
  dns.lookup = Object.assign(patched, lookup) as unknown as typeof lookup
}

/** A fault that asks for the name, made to lose it. */
function losing (fault: Fault): Fault {
  return fault.host === undefined ? fault : { ...fault, begin: () => { lost = true }, end: () => { lost = false } }
}
