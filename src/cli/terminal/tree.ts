// A tree as text, as `tree` and `npm ls` draw it.
import type { Colors } from './colors.js'
import { printable } from './printable.js'

/** A line of a tree, and what hangs on it. */
export interface Branch {
  readonly text: string
  /** Whether it says yes or no; it says neither unless told. */
  readonly mark?: boolean
  readonly branches?: readonly Branch[]
}

/** The lines of the tree, each safe to print. */
export function drawTree (root: Branch, colors: Colors): string[] {
  return [line(root, colors), ...drawBranches(root, '', colors)]
}

function drawBranches ({ branches = [] }: Branch, indent: string, colors: Colors): string[] {
  return branches.flatMap((branch, index) => {
    const last = index === branches.length - 1
    return [
      `${colors.faint(indent + (last ? '└─ ' : '├─ '))}${line(branch, colors)}`,
      ...drawBranches(branch, `${indent}${last ? '   ' : '│  '}`, colors)
    ]
  })
}

function line ({ text, mark }: Branch, colors: Colors): string {
  const words = printable(text)
  if (mark === undefined) return words
  return mark ? `${colors.yes('✓')} ${words}` : `${colors.no('✗')} ${words}`
}
