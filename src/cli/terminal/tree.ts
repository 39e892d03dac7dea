// A tree as text, drawn as `tree` and `npm ls` draw it.
import { faint, no, spansOf, yes, type Line, type Span } from './line.js'

/** A node of a tree. */
export interface Branch {
  readonly text: string
  /** Whether the node is a yes or a no; undefined when it is neither. */
  readonly mark?: boolean
  readonly branches?: readonly Branch[]
}

/** Returns the lines of the tree. */
export function drawTree (root: Branch): Line[] {
  return [nodeOf(root), ...drawBranches(root, '')]
}

function drawBranches ({ branches = [] }: Branch, indent: string): Line[] {
  return branches.flatMap((branch, index) => {
    const isLast = index === branches.length - 1
    return [
      [faint(indent + (isLast ? '└─ ' : '├─ ')), ...spansOf(nodeOf(branch))],
      ...drawBranches(branch, `${indent}${isLast ? '   ' : '│  '}`)
    ]
  })
}

function nodeOf ({ text, mark }: Branch): readonly Span[] {
  if (mark === undefined) return [text]
  return [mark ? yes('✓') : no('✗'), ` ${text}`]
}
