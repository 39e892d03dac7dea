// What the log says at boot of a PDP that will not decide: so that a wrong token is found then, and not by the first user.
import type { PdpError } from '../../contract/errors.js'
import type { ProbeResult, ProbingTransport, TransportLog } from './transport.js'

/** Ms that starting waits for what the PDP says: enough for one that is there. */
const WAIT = 250

/** Asks each replica once, and logs what is wrong. It resolves soon; what is heard later is logged later. Never rejects. */
export async function lookAtBoot (transport: Pick<ProbingTransport, 'probe'>, log: TransportLog): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const enough = new Promise<void>(resolve => { timer = setTimeout(resolve, WAIT) })
  const looked = transport.probe(result => report(result, log))
  await Promise.race([looked, enough])
  clearTimeout(timer)
}

function report ({ url, error }: ProbeResult, log: TransportLog): void {
  if (error === undefined) return
  const details = { permit: { pdp: url, failure: error.failure, reason: error.message } }
  if (error.failure === 'token') {
    log.error(details, `permit: the PDP at ${url} refuses the token: every check will be 503. ` +
      'Set the option token, or PERMIT_API_KEY, to the API key that this PDP runs with')
  } else if (error.failure === 'answer') {
    log.warn(details, `permit: what answers at ${url} does not answer as a PDP does. Check the option pdp, or PERMIT_PDP_URL`)
  } else if (isAway(error)) {
    log.warn(details, `permit: the PDP at ${url} cannot be reached. The app starts all the same; checks are 503 until it can`)
  }
}

/** A PDP that is there, and only does not know the question, answers others. */
function isAway ({ failure, status = 0 }: PdpError): boolean {
  return failure === 'network' || failure === 'timeout' || (failure === 'status' && status >= 500)
}
