// Probes until one probe succeeds: waits for a slow PDP, and quickly notices when a PDP that hung has recovered.
import type { PdpError } from '../../contract/errors.js'

/**
 * Sends a probe, and further ones at an interval while none has ended: a probe that was sent while the PDP or the network hung may be
 * lost. Resolves when the first one succeeds; rejects when all of them have failed.
 * @param probe resolves within the given timeout (ms), with its error or undefined
 * @param timeout for all probes together, ms
 * @param every the interval between two probes, ms
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
