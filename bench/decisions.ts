// One engine in a process of its own, deciding as fast as it can when told to: the embedded PDP's, casbin, Cedar or CASL, on one policy.
import { createRequire } from 'node:module'
import type * as Cedar from '@cedar-policy/cedar-wasm/nodejs'
import { permitPolicy, workload, type Question } from './policy.js'

type Decide = (question: Question) => boolean | Promise<boolean>

/** Makes a contestant ready, checks its answers, and gives what measures its decisions per second. */
async function prepare (name: string): Promise<(milliseconds: number) => Promise<number>> {
  const work = workload(1_000)
  const make: Record<string, (work: WorkBudget) => Promise<Decide>> = {
    'fastify-permit, embedded': embedded, casbin, '@cedar-policy/cedar-wasm': cedar, '@casl/ability': casl
  }
  const decide = await make[name]!(work)
  for (const question of work.questions.slice(0, 200)) {
    if (await decide(question) !== question.allow) throw new Error(`${name} decides ${JSON.stringify(question)} differently`)
  }
  return async milliseconds => name === 'casbin' ? rateAsync(decide, work.questions, milliseconds) : rate(decide, work.questions, milliseconds)
}

function rate (decide: Decide, questions: readonly Question[], milliseconds: number): number {
  let count = 0
  let allowed = 0
  const start = performance.now()
  let took = 0
  // The clock is looked at every so often: the fastest decide faster than it can be read.
  do {
    for (let step = 0; step < 256; step++) if (decide(questions[count++ % questions.length]!) === true) allowed++
    took = performance.now() - start
  } while (took < milliseconds)
  if (allowed === 0) throw new Error('nobody was allowed anything')
  return count / took * 1000
}

async function rateAsync (decide: Decide, questions: readonly Question[], milliseconds: number): Promise<number> {
  let count = 0
  const start = performance.now()
  let took = 0
  do {
    await decide(questions[count++ % questions.length]!)
    took = performance.now() - start
  } while (took < milliseconds)
  return count / took * 1000
}

type WorkBudget = ReturnType<typeof workload>

async function embedded (work: WorkBudget): Promise<Decide> {
  // The engine is no part of the package's face: what is measured here is below it.
  const { Engine } = await import(new URL('../../dist/engine.js', import.meta.url).href) as {
    Engine: new (policy: object) => { decide (query: object): { allow: boolean } }
  }
  const engine = new Engine(permitPolicy(work))
  return ({ user, action, type }) => engine.decide({ user: { key: user }, action, resource: { type, tenant: 'default' } }).allow
}

async function casbin ({ roles, users }: WorkBudget): Promise<Decide> {
  const { newEnforcer, newModelFromString, StringAdapter } = await import('casbin')
  const model = newModelFromString(`
[request_definition]
r = sub, obj, act
[policy_definition]
p = sub, obj, act
[role_definition]
g = _, _
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = g(r.sub, p.sub) && r.obj == p.obj && r.act == p.act`)
  const lines = [
    ...[...roles].flatMap(([role, permissions]) => permissions.map(permission => `p, ${role}, ${permission.split(':').join(', ')}`)),
    ...[...users].map(([user, role]) => `g, ${user}, ${role}`)
  ]
  const enforcer = await newEnforcer(model, new StringAdapter(lines.join('\n')))
  return ({ user, action, type }) => enforcer.enforce(user, type, action)
}

async function cedar ({ roles, users }: WorkBudget): Promise<Decide> {
  // The build for Node; the package's main entry is for bundlers.
  const wasm = createRequire(import.meta.url)('@cedar-policy/cedar-wasm/nodejs') as typeof Cedar
  // As few policies as it can be said with: one for each role and type.
  const policies = [...roles].flatMap(([role, permissions]) => {
    const actions = new Map<string, string[]>()
    for (const [type, action] of permissions.map(permission => permission.split(':') as [string, string])) {
      actions.set(type, [...actions.get(type) ?? [], `Action::"${action}"`])
    }
    return [...actions].map(([type, names]) => `permit(principal in Role::"${role}", action in [${names.join(', ')}], resource == Type::"${type}");`)
  }).join('\n')
  const parsed = wasm.preparsePolicySet('bench', { staticPolicies: policies })
  if (parsed.type !== 'success') throw new Error(`Cedar: ${JSON.stringify(parsed)}`)
  return ({ user, action, type }) => {
    const answer = wasm.statefulIsAuthorized({
      principal: { type: 'User', id: user },
      action: { type: 'Action', id: action },
      resource: { type: 'Type', id: type },
      context: {},
      preparsedPolicySetId: 'bench',
      // What the request is about, as Cedar wants to be told it.
      entities: [{ uid: { type: 'User', id: user }, attrs: {}, parents: [{ type: 'Role', id: users.get(user)! }] }]
    })
    return answer.type === 'success' && answer.response.decision === 'allow'
  }
}

async function casl ({ roles, users }: WorkBudget): Promise<Decide> {
  const { createMongoAbility } = await import('@casl/ability')
  const abilities = new Map([...roles].map(([role, permissions]) => [role, createMongoAbility(permissions.map(permission => {
    const [subject, action] = permission.split(':') as [string, string]
    return { action, subject }
  }))]))
  return ({ user, action, type }) => abilities.get(users.get(user)!)!.can(action, type)
}

const measure = await prepare(process.argv[2] ?? '')
process.on('message', async (milliseconds: number) => process.send?.(await measure(milliseconds)))
process.on('disconnect', () => process.exit())
process.send?.({ ready: true })
