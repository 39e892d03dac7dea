// Looking whether a PDP is back: patient with one that is slow, and quick to notice one that hung and does not any more.
import type { PdpError } from '../../contract/errors.js'

/**
 * Sends a probe, and as long as none has ended another one every so often: what was sent while the PDP, or the network,
 * hung may be lost. Resolves with the first that succeeds; rejects when all that were sent have failed.
 * @param probe resolves within as many ms as it is given, with what it failed with, or undefined
 * @param timeout ms for all of it
 * @param every ms between two probes
 */
export function firstSuccess (probe: (timeout: number) => Promise<PdpError | undefined>, timeout: number, every: number): Promise<void> {
  const end = performance.now() + timeout
  return new Promise((resolve, reject) => {
    let running = 0
    const send = () => {
      const left = end - performance.now()
      if (left <= 0) return
      running++
      probe(left).then(error => {
        running--
        if (error === undefined || running === 0) clearInterval(timer)
        if (error === undefined) resolve()
        else if (running === 0) reject(error)
      })
    }
    const timer = setInterval(send, every)
    timer.unref()
    send()
  })
}
