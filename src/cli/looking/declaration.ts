// The TypeScript declaration of a policy: which resource types, actions, roles and relations there are, for the compiler.
import { printable } from '../../kit/printable.js'

/** The words of a policy. */
export interface PolicyWords {
  readonly resources: ReadonlyMap<string, { readonly actions: readonly string[], readonly roles: readonly string[], readonly relations: readonly string[] }>
  /** Roles in tenants. */
  readonly roles: readonly string[]
}

/**
 * The text of a file that narrows the strings of `fastify-permit` to the words of a policy. Sorted, so that it differs only when the
 * policy does.
 * @param source - what it was made from, for people
 */
export function declarationOf ({ resources, roles }: PolicyWords, source: string): string {
  const types = [...resources].sort(([a], [b]) => compare(a, b)).map(([type, { actions, roles, relations }]) =>
    `      ${literal(type)}: { actions: ${union(actions)}, roles: ${union(roles)}, relations: ${union(relations)} }`)
  return `// Made by "fastify-permit types" from ${printable(source)}. Make it again when the policy changes; do not edit it.
declare namespace FastifyPermit {
  interface Policy {
    resources: {
${types.join('\n')}
    }
    roles: ${union(roles)}
  }
}
`
}

function union (words: readonly string[]): string {
  return words.length === 0 ? 'never' : [...words].sort(compare).map(literal).join(' | ')
}

/** The order of code units, which is the same on every machine. */
function compare (a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** A string literal. What could end it, or a line, or cannot be seen is escaped: words may come over the network. */
function literal (word: string): string {
  const escaped = JSON.stringify(word).slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'")
  return `'${printable(escaped)}'`
}
