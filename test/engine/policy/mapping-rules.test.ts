// URL mapping rules: what they match, what they refuse to be, and that no expression holds a request.
import t from 'tap'
import { Engine, WorkLimitError } from '../../../src/engine/engine.js'
import type { Policy } from '../../../src/engine/policy/policy.js'
import { PolicyError } from '../../../src/engine/policy/problems.js'

type Rule = NonNullable<NonNullable<NonNullable<Policy['proxy_configs']>[string]>['mapping_rules']>[number]

const withRules = (...rules: Rule[]): Policy => ({
  resources: { task: { actions: { get: {}, read: {}, export: {} } }, doc: { actions: { read: {} } } },
  proxy_configs: { app: { mapping_rules: rules } }
})
const rule = (url: string, more: Partial<Rule> = {}): Rule => ({ url, http_method: 'get', resource: 'task', action: 'read', ...more })
const mapped = (policy: Policy, url: string, method = 'GET') => new Engine(policy).mapUrl(method, url)

t.test('a name stands for a whole segment of the path or a whole value of the query, and becomes an attribute', async t => {
  const policy = withRules(rule('https://a.b/tasks/{id}'), rule('https://a.b/tasks?state={state}&x=1'))
  t.same(mapped(policy, 'https://a.b/tasks/7'), { type: 'task', action: 'read', attributes: { id: '7' } })
  t.same(mapped(policy, 'https://a.b/tasks/7?y=/1/2'), { type: 'task', action: 'read', attributes: { id: '7' } }, 'a query is no part of a segment')
  t.same(mapped(policy, 'https://a.b/tasks/'), { type: 'task', action: 'read', attributes: { id: '' } })
  t.same(mapped(policy, 'https://a.b/tasks?x=1&state=open'), { type: 'task', action: 'read', attributes: { state: 'open' } })
  t.same(mapped(policy, 'https://a.b/tasks?x=2&x=1&state=a+b'), { type: 'task', action: 'read', attributes: { state: 'a b' } }, 'the last value counts')
  for (const url of ['https://a.b/tasks', 'https://a.b/tasks?x=1', 'https://a.b/tasks?x=2&state=a', 'https://a.b/tasks/7/8', 'https://a.b/Tasks/7', 'https://A.b/tasks/7', 'http://a.b/tasks/7', 'https://a.b/%74asks/7', 'https://a.b//tasks/7']) {
    t.equal(mapped(policy, url), undefined, url)
  }
  t.equal(mapped(policy, 'https://a.b/tasks/7', 'POST'), undefined)
  t.same(mapped(withRules(rule('https://a.b/{__proto__}')), 'https://a.b/x')?.attributes, Object.fromEntries([['__proto__', 'x']]))
})

t.test('the highest priority counts, and of equal ones the first; the action is the method by default', async t => {
  const policy = withRules(rule('https://a.b/{x}', { resource: 'doc' }), rule('https://a.b/{y}'), rule('https://a.b/export', { action: 'export', priority: 2 }))
  t.match(mapped(policy, 'https://a.b/x'), { type: 'doc' })
  t.match(mapped(policy, 'https://a.b/export'), { type: 'task', action: 'export' })
  t.match(mapped(withRules({ url: 'https://a.b/', http_method: 'GET', resource: 'task' }), 'https://a.b/'), { action: 'get' })
})

t.test('an expression matches from the start, and its named groups become attributes', async t => {
  const policy = withRules(rule('https://a\\.b/(?P<dept>[a-z]+)(?:/(?P<id>\\d+))?', { url_type: 'regex' }))
  t.same(mapped(policy, 'https://a.b/sales/7/more')?.attributes, { dept: 'sales', id: '7' })
  t.same(mapped(policy, 'https://a.b/sales')?.attributes, { dept: 'sales', id: null })
  t.equal(mapped(policy, 'x https://a.b/sales'), undefined)
})

t.test('a rule that cannot do what it says is refused, with its place', async t => {
  for (const [wrong, path, message] of [
    [rule('https://a.b/', { resource: 'tusk' }), 'resource', /'tusk' is not defined/],
    [rule('https://a.b/', { action: 'raed' }), 'action', /no action 'raed'/],
    [{ url: 'https://a.b/', http_method: 'post', resource: 'task' }, 'http_method', /no action 'post'/],
    [rule('https://a.b/', { http_method: 'fetch' }), 'http_method', /'fetch' is not a method/],
    [rule('https://a.b/', { headers: { 'x-admin': '1' } }), 'headers', /sees no headers/],
    [rule('/tasks/{id}'), 'url', /can never match/],
    [rule('https://a.b/tasks-{id}'), 'url', /'tasks-\{id\}' is neither/],
    [rule('https://a.b/tasks?x=a{id}'), 'url', /neither/],
    [rule('https://a.b/tasks/{id}?id={id}'), 'url', /'\{id\}' is in it twice/],
    [rule('https://a.b/{org}/x/{org}'), 'url', /'\{org\}' is in it twice/],
    [rule('https://a.b/tasks?x=1&x={id}'), 'url', /'x' is in it twice/],
    [rule('(?P<a>x)(?P<a>y)', { url_type: 'regex' }), 'url', /cannot be used/],
    [rule('[', { url_type: 'regex' }), 'url', /cannot be used/],
    [rule('(?=a)b', { url_type: 'regex' }), 'url', /cannot be used/],
    [rule('(a)\\1', { url_type: 'regex' }), 'url', /cannot be used/],
    [rule('(?:(?:a{1,30}){1,30}){1,30}', { url_type: 'regex' }), 'url', /cannot be used/],
    [rule('a'.repeat(1_001), { url_type: 'regex' }), 'url', /more than 1000 characters/]
  ] as const) {
    const error = t.throws(() => new Engine(withRules(wrong)), PolicyError) as unknown as PolicyError
    const [problem] = error.problems
    t.same(problem?.path, ['proxy_configs', 'app', 'mapping_rules', 0, path])
    t.match(problem?.message, message)
  }
  t.doesNotThrow(() => new Engine(withRules(rule('https://a.b/', { headers: {} }))), "Permit's API sends empty headers")
})

t.test('no expression holds the event loop: the work of a long URL is counted, and past the budget there is no decision', async t => {
  for (const expression of ['(a+)+$', '(a|a)*b', '(x+x+)+y', '(.*)*=', '(?:a{1,60}){1,4}b', '(a|b|ab)*c']) {
    const engine = new Engine(withRules(rule(expression, { url_type: 'regex' })))
    engine.mapUrl('GET', 'aaaaaaaa!')
    for (const length of [100, 2_000, 60_000]) {
      const cpu = process.cpuUsage()
      try {
        t.equal(engine.mapUrl('GET', `${'a'.repeat(length)}!`), undefined, expression)
      } catch (error) {
        t.ok(error instanceof WorkLimitError, expression)
        t.same((error as WorkLimitError).place, ['proxy_configs', 'app', 'mapping_rules', 0])
      }
      const { user, system } = process.cpuUsage(cpu)
      t.ok(user + system < 500_000, `${expression} of ${length}: ${user + system} µs`)
    }
  }
  const many = new Engine(withRules(...Array.from({ length: 20_000 }, (_, index) => rule(`https://a.b/${'x/'.repeat(20)}${index}`))))
  t.throws(() => many.mapUrl('GET', `https://a.b/${'x/'.repeat(20)}none`), WorkLimitError)
})
