// The inspector: a page in the app that shows what is decided. It answers requests of every framework on Node's own objects.
import { readFile } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type { Inspected } from '../app/inspector-source.js'
import { OptionsError, QueryError } from '../contract/errors.js'
import { DecisionFeed, type FeedOptions } from './decision-feed.js'
import { DecisionStreams } from './decision-streams.js'
import { refusalOf } from './inspector-access.js'
import { InspectorAnswers } from './inspector-answers.js'
import { QUESTION_HEADER, readParameters } from './inspector-question.js'
import type { InspectorRoute } from './inspector-row.js'

/** What an inspector is made of. */
export interface InspectorOptions extends FeedOptions {
  /** The path of the page, such as `/_permit`. */
  readonly path: string
  /** Whether a guard of the framework decides who may see it. Without one, only requests from this machine may. */
  readonly isGuarded: boolean
  /**
   * Whether the header `Authorization` of a request from this machine is right. A browser asks its user for a name and a password.
   * @defaultValue nothing is asked for
   */
  readonly isKnown?: ((authorization: string | undefined) => boolean) | undefined
  /** What it reads beside the decisions. */
  readonly inspected: Inspected
  readonly log: { error (details: object, message: string): void }
  /** The routes of the app; undefined where there are none to tell. */
  readonly routes?: () => readonly InspectorRoute[]
  /** What is to say of the routes. */
  readonly routesNote?: string
  /** A sentence in place of the routes. */
  readonly noRoutes?: string
}

/** Nothing of other hosts, nothing inline, no frame around it, and no text that becomes HTML. */
const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; " +
  "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

const HEADERS = {
  'cache-control': 'no-store',
  'content-security-policy': POLICY,
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'same-origin',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY'
}

const HTML = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>fastify-permit inspector</title>
<link rel="icon" href="icon.svg">
<link rel="stylesheet" href="page.css">
<script type="module" src="page.js"></script>
</head>
<body><noscript>The inspector needs JavaScript.</noscript></body>
</html>
`

const ICON = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16">' +
  '<path fill="#2563eb" d="M8 1l6 2v4c0 4-2.500 6.500-6 8C4.500 13.500 2 11 2 7V3z"/></svg>'

interface Asset {
  readonly type: string
  readonly body: string
}

/** One inspector. Opened by {@link openInspector}. */
export class Inspector {
  /** Takes the decisions. Added to the observers of checks. */
  readonly feed: DecisionFeed
  readonly #streams: DecisionStreams
  readonly #answers: InspectorAnswers
  readonly #options: InspectorOptions
  readonly #assets: ReadonlyMap<string, Asset>

  constructor (options: InspectorOptions, assets: ReadonlyMap<string, Asset>) {
    this.feed = new DecisionFeed(options)
    this.#streams = new DecisionStreams(this.feed)
    this.#answers = new InspectorAnswers(options, this.feed)
    this.#options = options
    this.#assets = assets
  }

  /**
   * Answers a request that the guard has let through, if there is one.
   * @param rest - the path below that of the page: `''` for the page itself, undefined for the page without a slash at its end
   */
  handle (request: IncomingMessage, response: ServerResponse, rest: string | undefined): void {
    // An app may have added headers that let other sites read its answers.
    for (const name of response.getHeaderNames()) if (name.startsWith('access-control-')) response.removeHeader(name)
    for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value)
    const refusal = refusalOf(request, this.#options.isGuarded, rest === '' || rest === undefined)
    if (refusal !== undefined) return answer(response, 403, TEXT, refusal)
    // Behind the check of `Host`: a page of another name must not make its user type a password.
    if (this.#options.isKnown?.(request.headers.authorization) === false) {
      response.setHeader('www-authenticate', 'Basic realm="fastify-permit inspector", charset="UTF-8"')
      return answer(response, 401, TEXT, NOT_KNOWN)
    }
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.setHeader('allow', 'GET, HEAD')
      return answer(response, 405, TEXT, 'The inspector only answers GET.\n')
    }
    if (rest === undefined) {
      // Relative, so that it holds below every prefix; of the option's path, and not of the request's.
      response.setHeader('location', `${this.#options.path.slice(this.#options.path.lastIndexOf('/') + 1)}/`)
      return answer(response, 302, TEXT, '')
    }
    if (rest === 'stream') return this.#stream(request, response)
    if (rest === 'routes') return answer(response, 200, JSON_TYPE, this.#routes())
    const asset = this.#assets.get(rest)
    if (asset !== undefined) return answer(response, 200, asset.type, asset.body)
    this.#answerWith(response, async () => this.#answers.answer(rest, () => readParameters(request.headers[QUESTION_HEADER])))
  }

  #answerWith (response: ServerResponse, ask: () => Promise<unknown>): void {
    ask().then(
      value => {
        if (value === undefined) return answer(response, 404, TEXT, 'The inspector has no such page.\n')
        answer(response, 200, JSON_TYPE, JSON.stringify(value))
      },
      (error: unknown) => {
        if (error instanceof QueryError) return answer(response, 400, TEXT, `${error.message}\n`)
        this.#options.log.error({ err: error }, 'permit: the inspector could not answer')
        answer(response, 500, TEXT, 'The inspector could not answer. The reason is in the log of the app.\n')
      })
  }

  /** Ends the streams. A server that closes would wait for them. */
  close (): void {
    this.#answers.close()
    this.#streams.close()
  }

  /** As JSON: a list, a list with a note, or a sentence. */
  #routes (): string {
    const routes = this.#options.routes?.().map(({ method, url, permission, permissions, resource, tenant, public: isPublic, guardedBy }) =>
      ({ method, url, permission, permissions, resource, tenant, public: isPublic, guardedBy } satisfies InspectorRoute))
    const { routesNote: note } = this.#options
    if (routes !== undefined && note !== undefined) return JSON.stringify({ routes, note })
    return JSON.stringify(routes ?? this.#options.noRoutes ?? 'There are no routes to show.')
  }

  #stream (request: IncomingMessage, response: ServerResponse): void {
    if (request.method === 'HEAD') return answer(response, 405, TEXT, '')
    if (this.#streams.full) {
      response.setHeader('retry-after', '5')
      return answer(response, 503, TEXT, 'Too many browsers watch already. Close one of their tabs.\n')
    }
    this.#streams.add(response, request.headers['last-event-id'])
  }
}

const NOT_KNOWN = 'The inspector of this PDP asks for its token, as the password. The user name may be anything.\n'
const TEXT = 'text/plain; charset=utf-8'
const JSON_TYPE = 'application/json; charset=utf-8'

function answer (response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) }).end(body)
}

/**
 * Reads the page.
 * @throws `OptionsError` when the page is not in the package
 */
export async function openInspector (options: InspectorOptions): Promise<Inspector> {
  const folder = join(dirname(createRequire(import.meta.url).resolve('fastify-permit/package.json')), 'dist/inspector')
  const read = async (name: string): Promise<string> => {
    try {
      return await readFile(join(folder, name), 'utf8')
    } catch (cause) {
      throw new OptionsError(`option "inspector" is on, but its page ${name} is not in the package; install it again, ` +
        'or in its repository, run: npm run build', { cause })
    }
  }
  return new Inspector(options, new Map<string, Asset>([
    ['', { type: 'text/html; charset=utf-8', body: HTML }],
    ['page.js', { type: 'text/javascript; charset=utf-8', body: await read('page.js') }],
    ['page.css', { type: 'text/css; charset=utf-8', body: await read('page.css') }],
    ['icon.svg', { type: 'image/svg+xml', body: ICON }]
  ]))
}
