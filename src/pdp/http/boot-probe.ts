// Probes the PDP at boot and logs problems, so that a wrong token shows up at deployment and not at the first user's request.
import type { PdpError } from '../../contract/errors.js'
import type { ProbeResult, ProbingTransport, TransportLog } from './transport.js'

/** How long starting waits for the probes, ms: enough for a PDP that is up. */
const MAX_WAIT = 250

/**
 * Probes each replica once and logs problems. Resolves after a short wait, and at once when the probes are spread over a time. Later
 * results are logged when they arrive. Never rejects.
 */
export async function probeAtBoot (
  transport: Pick<ProbingTransport, 'probe' | 'probeWithin'>, log: TransportLog
): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const waitedEnough = new Promise<void>(resolve => { timer = setTimeout(resolve, MAX_WAIT) })
  const probed = transport.probe(result => report(result, log))
  if (transport.probeWithin === 0) await Promise.race([probed, waitedEnough])
  clearTimeout(timer)
}

function report ({ url, error }: ProbeResult, log: TransportLog): void {
  if (error === undefined) return
  const details = { permit: { pdp: url, failure: error.failure, reason: error.message } }
  if (error.failure === 'token') {
    log.error(details, `permit: the PDP at ${url} rejects the token, so every check will get 503. ` +
      'Set the option "token" or PERMIT_API_KEY to the API key that this PDP runs with')
  } else if (error.failure === 'answer') {
    log.warn(details, `permit: the server at ${url} does not respond like a PDP. Check the option "pdp" or PERMIT_PDP_URL`)
  } else if (error.failure === 'unready') {
    log.warn(details, `permit: the PDP at ${url} is not ready. The app starts anyway; denials get 503 until its health says that it is`)
  } else if (isUnavailable(error)) {
    log.warn(details, `permit: the PDP at ${url} is unreachable. The app starts anyway; checks get 503 until the PDP can be reached`)
  }
}

/** Other failures come from a PDP that is up and only rejects the probe; it may still answer checks. */
function isUnavailable ({ failure, status = 0 }: PdpError): boolean {
  return failure === 'network' || failure === 'timeout' || (failure === 'status' && status >= 500)
}
