// The text that the example apps print when they listen: requests to try, with their expected results.
import type { Health } from 'fastify-permit'

/**
 * @param rest - requests that only this app supports
 * @param framework - named in the first line, unless it is Fastify
 */
export function whatToTry (url: string, { ok, pdp, reason }: Health, rest: string, framework?: string): string {
  const setup = `${framework === undefined ? '' : `${framework}; `}PDP: ${pdp}${ok ? '' : `, not available: ${reason}`}`
  return `
The task service listens on ${url} (${setup}). In another terminal, type

  curl ${url}/
    200: john@smith.com is an admin in the tenant default, and may retrieve a task

  curl ${url}/tenant2
    403: in tenant2 he is a viewer, and may not create one

  curl ${url}/tenants/default/tasks
    401: without a login

${rest}
${process.env.NODE_ENV === 'production'
? ''
: `
See each decision while it is made, and why: open ${url}/_permit
`}`
}
