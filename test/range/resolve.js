// The hook behind redirect.js: what the project's own files import by a peer's name comes from packages/, or from a folder of families/.
const packages = new URL('packages/package.json', import.meta.url).href
let peers = {}
let family

export async function initialize (data) {
  peers = data.peers
  family = data.family && { names: data.family.names, parentURL: new URL(`families/${data.family.folder}/package.json`, import.meta.url).href }
}

export async function resolve (specifier, context, next) {
  // What other packages bring along for themselves is theirs.
  if (context.parentURL?.includes('/node_modules/')) return next(specifier, context)
  if (family?.names.some(name => specifier === name || specifier.startsWith(`${name}/`))) return next(specifier, { ...context, parentURL: family.parentURL })
  const alias = peers[specifier]
  return alias === undefined ? next(specifier, context) : next(alias, { ...context, parentURL: packages })
}
