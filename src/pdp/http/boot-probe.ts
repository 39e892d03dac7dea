// Probes the PDP at boot and logs problems, so that a wrong token shows up at deployment and not at the first user's request.
import type { PdpError } from '../../contract/errors.js'
import type { ProbeResult, ProbingTransport, TransportLog } from './transport.js'

/** How long starting waits for the probes, ms: enough for a PDP that is up. */
const MAX_WAIT = 250

/** What the app sets for the URL and the token: an option, or a variable of the environment. */
export interface SettingNames { readonly pdp: string, readonly token: string }

interface BootProbeSettings {
  /** For messages. Default: the options. */
  readonly named?: SettingNames | undefined
  /** Statuses by which a PDP rejects the probe itself; it may still answer checks. Default: none. */
  readonly rejections?: ReadonlySet<number>
}

const OPTIONS: SettingNames = { pdp: 'option "pdp"', token: 'option "token"' }

/**
 * Probes each replica once and logs problems. Resolves after a short wait, and at once when the probes are spread over a time. Later
 * results are logged when they arrive. Never rejects.
 */
export async function probeAtBoot (
  transport: Pick<ProbingTransport, 'probe' | 'probeWithin'>, log: TransportLog, settings: BootProbeSettings = {}
): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const waitedEnough = new Promise<void>(resolve => { timer = setTimeout(resolve, MAX_WAIT) })
  const probed = transport.probe(result => report(result, log, settings))
  if (transport.probeWithin === 0) await Promise.race([probed, waitedEnough])
  clearTimeout(timer)
}

function report ({ url, error }: ProbeResult, log: TransportLog, { named = OPTIONS, rejections }: BootProbeSettings): void {
  if (error === undefined || (error.failure === 'status' && rejections?.has(error.status ?? 0) === true)) return
  const details = { permit: { pdp: url, failure: error.failure, reason: error.message } }
  if (error.failure === 'token') {
    log.error(details, `permit: the PDP at ${url} rejects the token, so every check will get 503. ` +
      `Set ${inWords(named.token)} to the token or the API key that this PDP accepts`)
  } else if (error.failure === 'unready') {
    log.warn(details, `permit: the PDP at ${url} is not ready. The app starts anyway; denials get 503 until its health says that it is`)
  } else if (isUnavailable(error)) {
    log.warn(details, `permit: the PDP at ${url} is unreachable. The app starts anyway; checks get 503 until the PDP can be reached`)
  } else if (error.failure === 'answer' || error.failure === 'status') {
    log.warn(details, `permit: the server at ${url} does not respond like a PDP. Check ${inWords(named.pdp)}`)
  }
}

/** `the option "pdp"`, and the name of a variable as it is. */
export function inWords (name: string): string {
  return name.startsWith('option') ? `the ${name}` : name
}

/** No answer, or one that says that no decision is possible now. */
function isUnavailable ({ failure, status = 0 }: PdpError): boolean {
  return failure === 'network' || failure === 'timeout' || (failure === 'status' && status >= 500 && status !== 501)
}
