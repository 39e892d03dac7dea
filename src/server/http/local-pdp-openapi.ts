// Creates the OpenAPI document from the tables of routes that are served, so that the document matches the validation.
import type { Mount } from './mount.js'
import type { Route, Wire } from './route.js'

/** A JSON value that is only passed on. */
type Json = Record<string, unknown>

const ERRORS: Readonly<Record<Wire, Json>> = {
  pdp: json({ type: 'object', properties: { detail: {} }, required: ['detail'] }),
  api: json({
    type: 'object',
    properties: { title: { type: 'string' }, message: { type: 'string' }, error_code: { type: 'string' }, detail: { type: 'array' } },
    required: ['title', 'message', 'error_code']
  }),
  authzen: { 'text/plain': { schema: { type: 'string' } } }
}

/** Describes the tables in OpenAPI 3.1. A TypeBox schema is a JSON Schema, which OpenAPI 3.1 uses. */
export function openapiDocument (mounts: readonly Mount[], options: { readonly secured: boolean }): Json {
  const paths: Record<string, Json> = {}
  for (const { prefix = '', wire, tag, routes } of mounts) {
    for (const route of routes) {
      const path = (prefix + route.path).replace(/:(\w+)/g, '{$1}')
      paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation(route, path, wire, tag) }
    }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'fastify-permit local PDP',
      version: '2.0.0',
      description: "Permit's policy decision point on this machine: the protocol of Permit's PDP, AuthZEN 1.0, and the part of Permit's " +
        'REST API that writes facts and schema.'
    },
    ...(options.secured ? { security: [{ token: [] }] } : {}),
    components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
    paths
  }
}

function operation ({ method, summary, query, body, answer, statuses }: Route, path: string, wire: Wire, tag: string): Json {
  const inPath = Array.from(path.matchAll(/\{(\w+)\}/g), ([, name]) => ({ name, in: 'path', required: true, schema: { type: 'string' } }))
  const inQuery = Object.entries(query.properties).map(([name, schema]) =>
    ({ name, in: 'query', required: query.required?.includes(name) === true, schema }))
  const success = { description: 'Done.', ...(answer === undefined ? {} : { content: json(answer) }) }
  return {
    tags: [tag],
    summary,
    operationId: `${method.toLowerCase()}${path.replace(/[^A-Za-z0-9]+(.)?/g, (_, next: string | undefined) => next?.toUpperCase() ?? '')}`,
    parameters: [...inPath, ...inQuery],
    ...(body === undefined ? {} : { requestBody: { required: true, content: json(body) } }),
    responses: {
      ...Object.fromEntries(statuses.map(status => [status, success])),
      '4XX': { description: 'Refused.', content: ERRORS[wire] }
    }
  }
}

function json (schema: unknown): Json {
  return { 'application/json': { schema } }
}
