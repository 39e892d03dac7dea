// The local PDP answers on a socket as Permit's own servers do: statuses, decisions, keys, roles, permissions, and what is absent.
import t from 'tap'
import { isRecord } from '../../src/kit/is-record.js'
import { ask, pdpFor, TOKEN, type Answer } from '../server/support.js'
import { pythonWorlds, wireWorlds, type Exchange } from './vectors.js'

t.test('like the server in Rust', async t => {
  const alike = { all: 0, byRule: new Map<string, number>() }
  for (const { policy, exchanges } of wireWorlds()) {
    const { url } = await pdpFor(t, { policy })
    const answers = await asked(url, exchanges)
    const different = []
    for (const [index, exchange] of exchanges.entries()) {
      const answer = answers[index]!
      const rule = RUST_RULES.find(({ holds }) => holds(exchange, answer))
      const isAlike = rule !== undefined || (answer.status === exchange.status && (exchange.status !== 200 || same(answer.json, exchange.answer)))
      if (isAlike) alike.all++
      if (rule !== undefined) alike.byRule.set(rule.name, (alike.byRule.get(rule.name) ?? 0) + 1)
      if (!isAlike) different.push({ path: exchange.path, body: exchange.body, expected: [exchange.status, exchange.answer], found: [answer.status, answer.json] })
    }
    t.same(different.slice(0, 3), [])
  }
  t.equal(alike.all, 1_350)
  t.comment(JSON.stringify([...alike.byRule]))
})

t.test('like the half in Python', async t => {
  const alike = { all: 0, byRule: new Map<string, number>() }
  let count = 0
  for (const { policy, exchanges } of pythonWorlds()) {
    const { url } = await pdpFor(t, { policy, token: 'tok' })
    const answers = await asked(url, exchanges, 'tok')
    const different = []
    count += exchanges.length
    for (const [index, exchange] of exchanges.entries()) {
      const answer = answers[index]!
      const rule = PYTHON_RULES.find(({ holds }) => holds(exchange, answer))
      const isAlike = rule !== undefined || (answer.status === exchange.status && (exchange.status !== 200 || samePython(exchange, answer.json)))
      if (isAlike) alike.all++
      if (rule !== undefined) alike.byRule.set(rule.name, (alike.byRule.get(rule.name) ?? 0) + 1)
      if (!isAlike) different.push({ name: exchange.name, path: exchange.path, method: exchange.method, headers: exchange.headers, body: exchange.body, expected: [exchange.status, exchange.answer], found: [answer.status, answer.json ?? answer.text] })
    }
    t.same(different.slice(0, 5), [])
  }
  t.equal(alike.all, count)
  t.comment(`${count}: ${JSON.stringify([...alike.byRule])}`)
})

t.test('like the half in Python, with URL mapping rules', async t => {
  let count = 0
  for (const { policy, mapping_rules: rules, with_mapping_rules: exchanges } of pythonWorlds()) {
    // One of the rules is no expression. It never matches there, and is refused here.
    const valid = (rules as Array<{ url: string, http_method: string, resource: string, action: string }>).filter(({ url }) => url !== '[')
    t.equal(rules.length - valid.length, 1)
    const { url } = await pdpFor(t, { policy: { ...policy, proxy_configs: { app: { mapping_rules: valid } } }, token: 'tok' })
    const answers = await asked(url, exchanges, 'tok')
    for (const [index, exchange] of exchanges.entries()) {
      const { status, json } = answers[index]!
      t.equal(status, exchange.status)
      t.ok(samePython(exchange, json), JSON.stringify({ body: exchange.body, expected: exchange.answer, found: json }))
      // Whether a rule matched can be told by the words of the debug output.
      const reason = (answer: unknown) => isRecord(answer) && isRecord(answer['debug']) ? answer['debug']['reason'] : undefined
      t.equal(reason(json), reason(exchange.answer))
      count++
    }
  }
  t.equal(count, 42)
})

interface Rule { readonly name: string, readonly holds: (exchange: Exchange, answer: Answer) => boolean }

/** Where AuthZEN 1.0 says something else than Permit's server. */
const RUST_RULES: readonly Rule[] = [
  {
    name: 'a malformed AuthZEN request is 400',
    holds: ({ path, status }, answer) => path.startsWith('/access/') && status === 422 && answer.status === 400
  },
  {
    name: 'a resource without id is 400',
    holds: ({ path, body, status }, answer) => path === '/access/v1/evaluation' && status === 200 && answer.status === 400 && isRecord(body) && isRecord(body['resource']) && !('id' in body['resource'])
  },
  {
    name: 'a search finds everything that an evaluation would allow',
    holds: ({ path, status, answer: theirs }, answer) => path.startsWith('/access/v1/search/') && status === 200 && answer.status === 200 &&
      results(theirs).every(result => results(answer.json).some(ours => same(ours, { ...ours, ...result })))
  }
]

/** What is not followed: docs/differences.md. */
const PYTHON_RULES: readonly Rule[] = [
  {
    name: 'a value of a wrong type is not turned into another',
    holds: ({ name = '', status }, answer) => status === 200 && answer.status === 422 && /=(number|float|bool|list|pairlist|pairs|empty|true|strings)$/.test(name)
  },
  { name: 'nonsense is 422, not an error of ours', holds: ({ status }, answer) => status >= 500 && [200, 422].includes(answer.status) },
  { name: 'a name is in an object once', holds: ({ name, status }, answer) => name === 'twice the same member' && status === 200 && answer.status === 422 },
  { name: 'depth is bounded', holds: ({ name }, answer) => name === 'depth 80' && answer.status === 422 },
  {
    name: 'the order of a list is no part of it, and so neither is what is on a page',
    holds: ({ path, answer: theirs }, answer) => path.includes('per_page=') && Array.isArray(theirs) && Array.isArray(answer.json) && theirs.length === answer.json.length
  },
  { name: 'no redirect that loses the token', holds: ({ name, status }, answer) => name === 'trailing slash' && status === 401 && answer.status === 404 }
]

async function asked (url: string, exchanges: readonly Exchange[], token = TOKEN): Promise<Answer[]> {
  const answers: Answer[] = []
  for (const exchange of exchanges) {
    const { method = 'POST', path, body, headers } = exchange
    const raw = (exchange as { raw?: string }).raw
    const given = { authorization: `Bearer ${token}`, ...Object.fromEntries(Object.entries(headers ?? {}).map(([name, value]) => [name, value ?? undefined])) }
    const sent = raw ?? (body === undefined || body === null ? undefined : JSON.stringify(body))
    answers.push(await ask(url, method, path, method === 'GET' || method === 'HEAD' ? undefined : bytes(sent, given), given))
  }
  return answers
}

/** Of a request without a content type, fetch makes one up for a text. */
function bytes (sent: string | undefined, headers: Record<string, string | undefined>): unknown {
  return sent !== undefined && 'content-type' in headers && headers['content-type'] === undefined ? Buffer.from(sent) : sent
}

function results (answer: unknown): Array<Record<string, unknown>> {
  return isRecord(answer) && Array.isArray(answer['results']) ? answer['results'] : []
}

function samePython ({ path, answer }: Exchange, ours: unknown): boolean {
  // The words of reasons are ours, and debug output was not recorded.
  const bare = (value: unknown): unknown => isRecord(value) ? Object.fromEntries(Object.entries(value).filter(([key]) => key !== 'debug' && !(key === 'query' && path.includes('url'))).map(([key, item]) => [key, bare(item)])) : Array.isArray(value) ? value.map(bare) : value
  return same(bare(ours), bare(answer))
}

/** Equal but for the order of lists and members, and what Permit's debug output has. */
function same (a: unknown, b: unknown): boolean {
  return canonical(a) === canonical(b)
}

function canonical (value: unknown): string {
  if (Array.isArray(value)) {
    const items = value.map(canonical)
    // Decisions are in the order of the questions, and everything else is a set.
    return `[${(value.every(item => isRecord(item) && ('decision' in item || ('allow' in item && !('tenant' in item)))) ? items : items.sort()).join()}]`
  }
  if (!isRecord(value)) return JSON.stringify(value) ?? 'undefined'
  const members = Object.entries(value).filter(([key, item]) => item !== undefined && key !== 'debug' && !(key === 'context' && 'decision' in value) && !(key === 'result' && 'allow' in value && !('tenant' in value)))
  return `{${members.sort(([x], [y]) => x < y ? -1 : 1).map(([key, item]) => `${JSON.stringify(key)}:${canonical(item)}`).join()}}`
}
