// Colours, on a terminal only and for those who want them.
import { inspect } from 'node:util'
import type { Terminal } from './command.js'

/** What a colour says. */
export interface Colors {
  /** An answer that is yes. */
  yes (text: string): string
  /** An answer that is no. */
  no (text: string): string
  /** One that depends on something, or should be looked at. */
  maybe (text: string): string
  strong (text: string): string
  faint (text: string): string
}

/**
 * The colours of a terminal; texts as they are where there are none.
 *
 * FORCE_COLOR turns them on (`0` and `false`: off) whatever else is said, as Node itself has it; NO_COLOR turns them off.
 */
export function colorsOf (terminal: Terminal): Colors {
  const paint = wantsColors(terminal) ? painted : plain
  return { yes: paint('green'), no: paint('red'), maybe: paint('yellow'), strong: paint('bold'), faint: paint('dim') }
}

function wantsColors ({ env, isTTY = false }: Terminal): boolean {
  const { FORCE_COLOR: force, NO_COLOR: none, TERM: term } = env
  if (force !== undefined) return force !== '0' && force !== 'false'
  return isTTY && !none && term !== 'dumb'
}

function painted (name: string): (text: string) => string {
  const [on = 0, off = 0] = inspect.colors[name] ?? []
  return text => `\u001b[${on}m${text}\u001b[${off}m`
}

function plain (): (text: string) => string {
  return text => text
}
