// What the example apps print when they listen: the quickstart's requests, and what to expect of them.
import type { Health } from 'fastify-permit'

/**
 * @param framework - named beside the PDP, where it is not Fastify
 * @param rest - requests of this app alone
 */
export function whatToTry (url: string, { ok, pdp, reason }: Health, rest: string, framework?: string): string {
  return `
The task service listens on ${url} (${framework === undefined ? '' : `${framework}; `}PDP: ${ok ? pdp : `${pdp}, no decisions now: ${reason}`}). In another terminal, type

  curl ${url}/
    200: john@smith.com is an admin in the tenant default, and may retrieve a task

  curl ${url}/tenant2
    403: in tenant2 he is a viewer, and may not create one

  curl ${url}/tenants/default/tasks
    401: nobody at all is asking

${rest}
`
}
