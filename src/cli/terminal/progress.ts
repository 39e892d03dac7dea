// Progress messages of long-running commands.
import type { Terminal } from './terminal.js'

/** Time between two messages, in ms. Work that ends sooner prints none. */
const EVERY_MS = 1_000

/** Returns a function that prints the progress from time to time. */
export function progressOn (terminal: Terminal, things = 'records'): (done: number, total?: number) => void {
  let last = performance.now()
  return (done, total) => {
    const now = performance.now()
    if (now - last < EVERY_MS) return
    last = now
    terminal.err([total === undefined ? `${done} ${things}` : `${done} of ${total} ${things}`])
  }
}
