// A tree as text, drawn as `tree` and `npm ls` draw it.
import type { Branch } from '../../engine/explain/decision-tree.js'
import { faint, no, spansOf, yes, type Line, type Span } from './styled-line.js'

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
