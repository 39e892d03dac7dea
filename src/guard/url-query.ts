// What `permit: 'url'` asks: the URL of a request as URL mapping rules know it, and the query that follows from it.
import { AnnotationError, ForbiddenError } from '../contract/errors.js'
import type { MappedUrl, Pdp, QueryUser } from '../contract/point.js'
import { normaliseTenant, Question, UrlQuestion } from '../decision/query.js'
import type { QueryOrRefusal } from './compile-annotation.js'

/** The method and the URL of a request, or the reason why rules cannot be applied to it. */
export type AskedUrl = { readonly method: string, readonly path: string, readonly query: string } | { readonly refused: string }

/** The option `urls`, and how it is carried out. */
export interface UrlAsking<R> {
  /** The public URL of the app, without a slash at its end. */
  readonly base: string
  /** Whether routes without an annotation are decided by their URL. */
  readonly isDefault: boolean
  /** Reads the URL from a request, as its handler will see it. */
  readonly read: (request: R) => AskedUrl
  readonly pdp: Pick<Pdp, 'name' | 'mapUrl' | 'decidesUrls'>
}

/** The message for a requirement `'url'` without the option. */
export const NO_URLS = "permit: 'url' needs the option \"urls\", such as urls: { base: 'https://api.example.com' }; it is for Fastify only"

/**
 * The query of a request's URL, or its refusal: when no rule matches, or when the URL can be read in more than one way.
 * @param tenant - of the option `tenant`
 */
export function askByUrl<R> (
  urls: UrlAsking<R> | undefined, request: R, user: QueryUser, tenant: string | readonly string[] | null | undefined
): QueryOrRefusal {
  if (urls === undefined) throw new AnnotationError(NO_URLS)
  const asked = urls.read(request)
  if ('refused' in asked) return refusal(user, '', '', 'ambiguous_url', asked.refused)
  const { method, path, query } = asked
  const url = urls.base + path
  if (tenant === '') return refusal(user, method, url, 'incomplete_request', 'the tenant is empty')
  const where = normaliseTenant(tenant)
  const { pdp } = urls
  if (pdp.mapUrl === undefined) return new UrlQuestion(user, method, url, query, where)
  const mapped: MappedUrl | undefined = pdp.mapUrl(method, url + query)
  if (mapped === undefined) return refusal(user, method, url, 'no_url_mapping', 'no URL mapping rule matches the method and the URL', where)
  return new Question(user, mapped.action, { type: mapped.type, tenant: where, attributes: mapped.attributes }, undefined)
}

/** The query is left out: it may hold what must not be logged. */
function refusal (user: QueryUser, method: string, url: string, code: string, reason: string, tenant = ''): ForbiddenError {
  return new ForbiddenError({ user: user.key, action: method.toLowerCase(), resource: `url:${url}`, tenant, code, reason })
}
