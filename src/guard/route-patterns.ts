// Patterns of routes, as the options `strict.public` and `routes` and the option `except` of `require()` have them. A pattern is compared
// with the URL of a route as declared, never with the URL of a request: which route answers a request is the router's business.

/** What a pattern looks like: `/docs`, `/docs/*`, `GET /docs`, `OPTIONS *`. */
export const ROUTE_PATTERN = '^(?:[A-Z-]+ )?(?:\\*|/\\*|/[^*]*(?:/\\*)?)$'

/** What a pattern is compared with. */
interface DeclaredRoute {
  readonly methods: readonly string[]
  /** As declared, with its prefix: `/tasks/:id`. */
  readonly url: string
}

interface Pattern {
  /** Undefined for every method. */
  readonly method: string | undefined
  readonly url: string
  /** The prefix of all URLs below; undefined for exactly this URL. */
  readonly below: string | undefined
}

/**
 * Reads a pattern: a URL as declared, or with `/*` at its end also everything below it; a method and a space may precede it. `/*` and `*`
 * mean the routes with exactly that URL, because one pattern must not open the whole app.
 */
function parsePattern (text: string): Pattern {
  const space = text.indexOf(' ')
  const method = space === -1 ? undefined : text.slice(0, space)
  const url = text.slice(space + 1)
  const isTree = url.endsWith('/*') && url !== '/*'
  return isTree ? { method, url: url.slice(0, -2), below: url.slice(0, -1) } : { method, url, below: undefined }
}

function covers (pattern: Pattern, method: string, url: string): boolean {
  if (pattern.method !== undefined && pattern.method !== method) return false
  return url === pattern.url || (pattern.below !== undefined && url.startsWith(pattern.below))
}

/** Whether patterns that open routes cover a route, with all its methods. Exact: what is not written in the same way stays guarded. */
export function opensRoute (patterns: readonly string[]): (route: DeclaredRoute) => boolean {
  const parsed = patterns.map(parsePattern)
  return ({ methods, url }) => methods.length > 0 && methods.every(method => parsed.some(pattern => covers(pattern, method, url)))
}

/**
 * Whether a pattern that guards routes covers a route. Generous: a slash at the end, repeated slashes and the case make no difference, and
 * `/docs/*` covers a route `/docs*`, because the same request may reach both spellings.
 */
export function guardsRoute (text: string): (route: DeclaredRoute) => boolean {
  const plain = (url: string): string => url.replace(/\/{2,}/g, '/').replace(/(?<=.)\/$/, '').toLowerCase()
  const { url, below } = parsePattern(text)
  const [exact, prefix] = [plain(url), below === undefined ? undefined : `${plain(url)}/`]
  return route => {
    const declared = plain(route.url)
    return declared === exact || (prefix !== undefined && (declared.startsWith(prefix) || declared === `${exact}*`))
  }
}
