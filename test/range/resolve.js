// The hook behind redirect.js: what the project's own files import by a peer's name comes from packages/.
const packages = new URL('packages/package.json', import.meta.url).href
let peers = {}

export async function initialize (data) {
  peers = data.peers
}

export async function resolve (specifier, context, next) {
  const alias = peers[specifier]
  // What other packages bring along for themselves is theirs.
  if (alias === undefined || context.parentURL?.includes('/node_modules/')) return next(specifier, context)
  return next(alias, { ...context, parentURL: packages })
}
