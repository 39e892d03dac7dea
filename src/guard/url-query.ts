// What `permit: 'url'` asks: the URL of a request as URL mapping rules know it, and the query that follows from it.
import { AnnotationError, ForbiddenError } from '../contract/errors.js'
import type { MappedUrl, Pdp, QueryUser } from '../contract/point.js'
import { normaliseTenant, Question, UrlQuestion } from '../decision/query.js'
import { askedUrl, fillUrl, type AskedUrl, type UrlTemplate } from './asked-url.js'
import type { QueryOrRefusal, WithParams } from './compile-annotation.js'

/** The option `urls`, and how it is carried out. */
export interface UrlAsking<R> {
  /** The public URL of the app, without a slash at its end. */
  readonly base: string
  /** Whether routes without an annotation are decided by their URL. */
  readonly isDefault: boolean
  /** Reads the URL from a request, as its handler will see it; undefined for a framework that does not tell the route. */
  readonly read: ((request: R) => AskedUrl) | undefined
  /** For a PDP that is not open yet: resolves when it is. */
  readonly opened?: (() => Promise<void> | undefined) | undefined
  readonly pdp: Pick<Pdp, 'name' | 'mapUrl' | 'decidesUrls'>
}

/** The message for a requirement `'url'` without the option. */
export const NO_URLS = "permit: 'url' needs the option \"urls\", such as urls: { base: 'https://api.example.com' }; " +
  'it is for routes of Fastify and Express'

/** The message for `'url'` where the framework does not tell the route. */
export const NO_ROUTE = "'url' is for Fastify only, because Express does not tell a guard its path: it matches paths in any case, does " +
  "not tell where a router is mounted, and req.route may be another route. Write the whole path: guard({ url: '/tasks/{id}' })"

/**
 * The query of a request's URL, or its refusal: when no rule matches, or when the URL can be read in more than one way.
 * @param template - the path that the guard declares; undefined for that of the route
 * @param tenant - of the option `tenant`
 */
export function askByUrl<R> (
  urls: UrlAsking<R> | undefined, request: R, template: UrlTemplate | undefined, user: QueryUser,
  tenant: string | readonly string[] | null | undefined
): QueryOrRefusal {
  if (urls === undefined) throw new AnnotationError(NO_URLS)
  const asked = template === undefined ? readRoute(urls, request) : askedUrl(request, fillUrl(template, (request as WithParams).params))
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

function readRoute<R> ({ read }: UrlAsking<R>, request: R): AskedUrl {
  if (read === undefined) throw new AnnotationError(NO_ROUTE)
  return read(request)
}

/** The query is left out: it may hold what must not be logged. */
function refusal (user: QueryUser, method: string, url: string, code: string, reason: string, tenant = ''): ForbiddenError {
  return new ForbiddenError({ user: user.key, action: method.toLowerCase(), resource: `url:${url}`, tenant, code, reason })
}
