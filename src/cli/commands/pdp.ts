// `fastify-permit pdp`: the local PDP as a process.
import { EXIT, type Command } from '../terminal/command.js'
import type { Terminal } from '../terminal/terminal.js'
import { parseOptions, portOf } from '../terminal/arguments.js'

const DEFAULT_PORT = '7766'
const DEFAULT_HOST = '127.0.0.1'

const HELP = `Usage: fastify-permit pdp [options]

Runs a local PDP: decides as Permit's PDP does, over the same wire, by a policy file and the facts and schema written to it.

Options:
  --policy <file>    policy, permit.yaml or .json; without one everything is written by the API
  --data <folder>    where facts survive; without it they live in memory
  --token <token>    what requests have to carry as a bearer token; better in PERMIT_API_KEY or PDP_API_KEY,
                     because every process of this machine can read arguments
  --port <port>      where to listen, ${DEFAULT_PORT} unless told otherwise, 0 for a free port
  --host <address>   where to listen, ${DEFAULT_HOST} unless told otherwise; others than the loopback need a token
  --opa-port <port>  serves POST /v1/data/permit/root on a port of its own, too, as the container does on 8181
  --report-to <url>  reports each change there, to an app with the option "updates"; may be given several times; the
                     secret that the app wants is in PERMIT_UPDATES_SECRET
  --no-watch         does not reload the policy file when it changes
  --help             this text

SIGTERM and SIGINT let requests in flight finish, and end it with 0.`

/** The command. */
export const pdpCommand: Command = {
  name: 'pdp',
  summary: 'runs a local PDP',
  help: HELP,

  async run (args, terminal) {
    const options = parseOptions(args, {
      policy: { type: 'string' },
      data: { type: 'string' },
      token: { type: 'string' },
      port: { type: 'string', default: DEFAULT_PORT },
      host: { type: 'string', default: DEFAULT_HOST },
      'opa-port': { type: 'string' },
      'report-to': { type: 'string', multiple: true, default: [] },
      'no-watch': { type: 'boolean', default: false }
    })
    const { policy, data, host } = options
    const port = portOf('port', options.port)
    const opaPort = options['opa-port'] === undefined ? undefined : portOf('opa-port', options['opa-port'])
    const token = options.token ?? tokenOf(terminal)

    // Not before it is needed: help and mistakes need no server.
    const { createLocalPdp } = await import('../../server/index.js')
    const app = createLocalPdp({
      policy,
      data,
      watch: !options['no-watch'],
      token,
      reportTo: options['report-to'].map(url => ({ url, headers: reportHeaders(terminal) })),
      // What it says of itself is on stdout, one line for each address; what goes wrong is on stderr.
      logger: { level: 'warn', stream: { write: (line: string) => { terminal.err([line.trimEnd()]) } } },
      ...(opaPort === undefined ? {} : { opa: { port: opaPort, host } })
    })
    // Before it listens: whoever reads that it does may end it at once.
    const ended = signal()
    try {
      const url = await app.listen({ port, host })
      terminal.out([`The local PDP listens on ${url}`])
      if (app.pdp.opaUrl !== undefined) terminal.out([`OPA's path is on ${app.pdp.opaUrl}`])
      if (token === undefined) terminal.err(['Without a token everybody on this machine may ask it, and write to it.'])
      await ended.promise
      return EXIT.ok
    } finally {
      ended.stop()
      await app.close()
    }
  }
}

function tokenOf ({ env }: Terminal): string | undefined {
  return env['PERMIT_API_KEY'] || env['PDP_API_KEY'] || undefined
}

function reportHeaders ({ env }: Terminal): Record<string, string> {
  const secret = env['PERMIT_UPDATES_SECRET']
  return secret ? { 'x-permit-updates-secret': secret } : {}
}

/** The first of the signals that ask a process to end. A second one ends it the hard way. */
function signal (): { readonly promise: Promise<void>, stop (): void } {
  const names = ['SIGTERM', 'SIGINT'] as const
  let stop = (): void => {}
  const promise = new Promise<void>(resolve => {
    const end = (): void => {
      stop()
      resolve()
    }
    stop = () => { for (const name of names) process.off(name, end) }
    for (const name of names) process.on(name, end)
  })
  return { promise, stop: () => stop() }
}
