// The routes of proxy configurations: the URL mapping rules of the policy.
import Type, { type Static } from 'typebox'
import { notFound } from '../../http/error-responses.js'
import { done, ok, route, type Route } from '../../http/route.js'
import { pageOf, PageQuery } from '../paging.js'
import { commonFields, CommonFields } from '../common-fields.js'
import { changeSchema, type Draft } from './schema-change.js'
import { addBlock } from './resources.js'
import type { Environment } from '../../../environment/environment.js'
import type { PolicyProxyConfig } from '../../../engine/policy/policy.js'

const strict = { additionalProperties: false }
const Key = Type.String({ minLength: 1 })
const MappingRule = Type.Object({
  url: Key,
  http_method: Key,
  resource: Key,
  action: Type.Optional(Key),
  headers: Type.Optional(Type.Record(Type.String(), Type.String())),
  priority: Type.Optional(Type.Number()),
  url_type: Type.Optional(Type.Union([Type.Enum(['default', 'regex']), Type.Null()]))
}, strict)
/** How the proxy logs in at the service. It is checked and not kept: a PDP sends nothing to the service. */
const Login = {
  secret: Type.Optional(Type.Union([Type.String(), Type.Record(Type.String(), Type.String())])),
  auth_mechanism: Type.Optional(Type.Enum(['Bearer', 'Basic', 'Headers']))
}
const Rules = Type.Optional(Type.Array(MappingRule))
const ProxyConfigCreate = Type.Object({ key: Key, name: Type.String(), mapping_rules: Rules, ...Login }, strict)
const ProxyConfigUpdate = Type.Object({ name: Type.Optional(Type.String()), mapping_rules: Rules, ...Login }, strict)
const ProxyConfigRead = Type.Object({
  key: Key,
  name: Type.String(),
  secret: Type.String(),
  auth_mechanism: Type.String(),
  mapping_rules: Type.Array(MappingRule),
  ...CommonFields
})

/** The routes of proxy configurations, under `/v2/facts/{project}/{environment}`. */
export const proxyConfigRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/proxy_configs',
    summary: 'Lists the proxy configurations.',
    query: Type.Object(PageQuery),
    answer: Type.Array(ProxyConfigRead),
    async handle ({ query, environment, inTimeSlices }) {
      return ok(await inTimeSlices(pageOf(Object.keys(configsOf(environment.schema)), query, key => read(environment, key))))
    }
  }),

  route({
    method: 'POST',
    path: '/proxy_configs',
    summary: 'Creates a proxy configuration with its URL mapping rules. Its secret is not kept.',
    body: ProxyConfigCreate,
    answer: ProxyConfigRead,
    async handle ({ body: { key, name, mapping_rules: rules = [] }, environment }) {
      await changeSchema(environment, draft => {
        addBlock(draft.proxy_configs ??= {}, key, { name, mapping_rules: rules.map(ruleOf) }, `proxy configuration '${key}'`)
      })
      return ok(read(environment, key))
    }
  }),

  route({
    method: 'GET',
    path: '/proxy_configs/:config',
    summary: 'Reads a proxy configuration.',
    answer: ProxyConfigRead,
    handle: ({ params, environment }) => ok(read(environment, keyOf(environment, params.config)))
  }),

  route({
    method: 'PATCH',
    path: '/proxy_configs/:config',
    summary: 'Changes a proxy configuration. Fields that are not given stay as they are.',
    body: ProxyConfigUpdate,
    answer: ProxyConfigRead,
    async handle ({ params, body: { name, mapping_rules: rules }, environment }) {
      const key = keyOf(environment, params.config)
      await changeSchema(environment, draft => {
        draft.proxy_configs = {
          ...draft.proxy_configs,
          [key]: {
            ...draft.proxy_configs?.[key],
            ...(name === undefined ? {} : { name }),
            ...(rules === undefined ? {} : { mapping_rules: rules.map(ruleOf) })
          }
        }
      })
      return ok(read(environment, key))
    }
  }),

  route({
    method: 'DELETE',
    path: '/proxy_configs/:config',
    summary: 'Deletes a proxy configuration with its URL mapping rules.',
    async handle ({ params, environment }) {
      const key = keyOf(environment, params.config)
      await changeSchema(environment, draft => { delete draft.proxy_configs?.[key] })
      return done()
    }
  })
]

function configsOf ({ proxy_configs: configs = {} }: Draft): Record<string, PolicyProxyConfig | null> {
  return configs
}

/** Permit's clients write null for a template. */
function ruleOf ({ url_type: type, ...rule }: Static<typeof MappingRule>) {
  return { ...rule, ...(type === undefined || type === null ? {} : { url_type: type }) }
}

function keyOf (environment: Environment, given: string): string {
  return environment.resolve('proxy_config', given) ?? fail(given)
}

function read (environment: Environment, key: string): Static<typeof ProxyConfigRead> {
  const { name = key, mapping_rules: rules = [] } = configsOf(environment.schema)[key] ?? {}
  const stamps = commonFields(environment.metadata('proxy_config', key) ?? fail(key))
  return { key, name, secret: '', auth_mechanism: 'Bearer', mapping_rules: [...rules], ...stamps }
}

function fail (given: string): never {
  throw notFound(`proxy configuration '${given}'`)
}
