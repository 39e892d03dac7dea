// How far a command has come, for whoever waits for it.
import type { Terminal } from './terminal.js'

/** ms between two lines. What is done sooner says nothing. */
const EVERY_MS = 1_000

/** A function that says now and then how much of the whole is done. */
export function progressOn (terminal: Terminal): (done: number, total: number) => void {
  let last = performance.now()
  return (done, total) => {
    const now = performance.now()
    if (now - last < EVERY_MS) return
    last = now
    terminal.err([`${done} of ${total} records`])
  }
}
