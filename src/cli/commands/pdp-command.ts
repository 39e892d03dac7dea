// `fastify-permit pdp`: the local PDP as a process.
import { parseOptions, portOf } from '../terminal/arguments.js'
import { EXIT, type Command } from '../terminal/command.js'
import type { Terminal } from '../terminal/terminal.js'

const DEFAULT_PORT = '7766'
const DEFAULT_HOST = '127.0.0.1'

const HELP = `Usage: fastify-permit pdp [options]

Runs a local PDP. It has the API of Permit's PDP, and decides by a policy file and by the facts and the schema written to it.

Options:
  --policy <file>    a policy file, permit.yaml or .json; without it, the schema is written through the API
  --data <folder>    keeps facts in this folder; default: in memory, until the process ends
  --token <token>    the bearer token of requests; prefer PERMIT_API_KEY or PDP_API_KEY, because every process on this
                     machine can read arguments
  --port <port>      port to listen on; default ${DEFAULT_PORT}, 0 for a free port
  --host <address>   address to listen on; default ${DEFAULT_HOST}; an address other than the loopback needs a token
  --opa-port <port>  also serves POST /v1/data/permit/root on this port, as the container does on 8181
  --report-to <url>  reports each change to an app with the option "updates"; may be given several times; the secret of
                     the app is in PERMIT_UPDATES_SECRET
  --inspect          shows decisions, why each is what it is, and the policy on a page, for browsers on this machine; they
                     ask for a password if there is a token, which is the password; only with an address of the loopback
  --no-watch         does not reload the policy file when it changes
  --help             show this help

On SIGTERM and SIGINT, it finishes the requests in flight and exits with 0.`

const NO_TOKEN = 'Warning: no token is set. Every process on this machine can read from the local PDP and write to it.'

/** The command. */
export const pdpCommand: Command = {
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
      inspect: { type: 'boolean', default: false },
      'no-watch': { type: 'boolean', default: false }
    })
    const { policy, data, host } = options
    const port = portOf('port', options.port)
    const opaPort = options['opa-port'] === undefined ? undefined : portOf('opa-port', options['opa-port'])
    const token = options.token ?? tokenOf(terminal)

    // Imported here, because help and invalid arguments need no server.
    const { createLocalPdp } = await import('../../server/index.js')
    const app = createLocalPdp({
      policy,
      data,
      watch: !options['no-watch'],
      token,
      inspector: options.inspect,
      reportTo: options['report-to'].map(url => ({ url, headers: reportHeaders(terminal) })),
      // Addresses go to standard output, one a line; warnings and errors go to standard error.
      logger: { level: 'warn', stream: { write: (line: string) => { terminal.err([line.trimEnd()]) } } },
      ...(opaPort === undefined ? {} : { opa: { port: opaPort, host } })
    })
    // Before it listens: the process that reads the address may send a signal at once.
    const ended = endSignal()
    try {
      const url = await app.listen({ port, host })
      terminal.out([`The local PDP listens on ${url}`])
      if (options.inspect) terminal.out([`The inspector is at ${url}/_permit`])
      if (app.pdp.opaUrl !== undefined) terminal.out([`The OPA API listens on ${app.pdp.opaUrl}`])
      if (token === undefined) terminal.err([NO_TOKEN])
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

/** Waits for the first signal to end. A second signal ends the process at once. */
function endSignal (): { readonly promise: Promise<void>, stop (): void } {
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
