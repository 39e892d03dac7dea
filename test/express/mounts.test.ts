// A kind of hole: which permit(…) is in charge was told from where an app was mounted last. It is a fact of the way that a request takes: through
// random trees of apps and routers, some of them mounted in several places, with a permit(…) here and there. Where it cannot be told: 500.
import fc from 'fast-check'
import type { NextFunction, Request, RequestHandler, Response } from 'express'
import t, { type Test } from 'tap'
import { guard, type ExpressPermit } from '../../src/express/index.js'
import { appOf, authzFor, byHeader, EXPRESSES, listen, type Express } from '../support/express.js'
import { assertCounted } from '../support/counted.js'

const SCOPES = 3
const PATHS = ['/', '/a', '/b'] as const
const ROUTES = ['/g', '/h'] as const
const ASKED = ['/g', '/h', '/a/g', '/b/g', '/a/b/g', '/b/a/h', '/a/a/g', '/b/b/h']

type Item =
  | { readonly kind: 'permit', readonly scope: number, readonly wrapped: boolean }
  | { readonly kind: 'guard', readonly url: typeof ROUTES[number] }
  | { readonly kind: 'mount', readonly path: typeof PATHS[number], readonly by: number, readonly called: boolean }
  | { readonly kind: 'pause' }
  | { readonly kind: 'exit', readonly path: typeof PATHS[number] }

interface Node { readonly kind: 'app' | 'router', readonly other: boolean, readonly items: readonly Item[] }

const permitItem: fc.Arbitrary<Item> = fc.record({ kind: fc.constant('permit' as const), scope: fc.nat(SCOPES - 1), wrapped: fc.boolean() })

const item: fc.Arbitrary<Item> = fc.oneof(
  { weight: 1, arbitrary: permitItem },
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('guard' as const), url: fc.constantFrom(...ROUTES) }) },
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('mount' as const), path: fc.constantFrom(...PATHS), by: fc.integer({ min: 1, max: 3 }), called: fc.constantFrom(false, false, true) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('pause' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('exit' as const), path: fc.constantFrom(...PATHS) }) }
)

/** A node mounts nodes that come after it: one node may be in several places, and none in itself. */
const tree: fc.Arbitrary<readonly Node[]> = fc.array(
  fc.record({
    kind: fc.constantFrom('app' as const, 'app' as const, 'router' as const),
    other: fc.boolean(),
    items: fc.tuple(fc.array(permitItem, { maxLength: 1 }), fc.array(item, { minLength: 2, maxLength: 5 })).map(items => items.flat())
  }),
  { minLength: 2, maxLength: 6 }
)

/** Of the scope in charge; 'none' and 'conflict' are 500, 'not found' is 404. */
type Outcome = number | 'none' | 'conflict' | 'not found'

interface Frame { readonly isApp: boolean, scope: number | undefined, fellOut: boolean }

/**
 * What may come of a request, by a walk through the tree as Express takes it: one outcome. Where the scope in charge stood in a router that the request
 * has fallen out of, or an app was called as a function (a router does so, too), so that Express itself takes it to be still in that app, 500 is right, too; and then two scopes
 * that are met in one app may be taken for those of two apps, as long as the nearest one decides.
 */
function expectedOf (nodes: readonly Node[], url: string): ReadonlySet<Outcome> {
  const expected = new Set<Outcome>()
  let isUnclear = false
  const walk = (index: number, rest: string, around: readonly Frame[]): Outcome | 'on' => {
    const node = nodes[index] as Node
    const frame: Frame = { isApp: index === 0 || node.kind === 'app', scope: undefined, fellOut: false }
    const frames = [...around, frame]
    for (const item of node.items) {
      if (item.kind === 'permit') {
        const others = inApp(frames).filter(({ scope }) => scope !== undefined && scope !== item.scope)
        if (others.length > 0) {
          if (!isUnclear && !others.every(({ fellOut }) => fellOut)) return 'conflict'
          isUnclear = true
          expected.add('conflict')
          frame.scope = item.scope
        }
        frame.scope ??= item.scope
      } else if (item.kind === 'guard') {
        if (rest !== item.url) continue
        const inCharge = [...frames].reverse().find(({ scope }) => scope !== undefined)
        if (isUnclear || inCharge?.fellOut === true) expected.add('conflict')
        return inCharge?.scope ?? 'none'
      } else if (item.kind !== 'pause') {
        const below = item.path === '/' ? rest : rest.startsWith(`${item.path}/`) ? rest.slice(item.path.length) : undefined
        if (below === undefined) continue
        if (item.kind === 'exit') break
        const child = index + item.by
        if (child >= nodes.length) continue
        if ((item.called || (index !== 0 && node.kind === 'router')) && nodes[child]?.kind === 'app') isUnclear = true
        const outcome = walk(child, below, frames)
        if (outcome !== 'on') return outcome
      }
    }
    const outer = around.at(-1)
    if (!frame.isApp && outer !== undefined && frame.scope !== undefined && outer.scope === undefined) Object.assign(outer, { scope: frame.scope, fellOut: true })
    return 'on'
  }
  const outcome = walk(0, url, [])
  return expected.add(outcome === 'on' ? 'not found' : outcome)
}

/** The frames of the app that the last one belongs to. */
function inApp (frames: readonly Frame[]): readonly Frame[] {
  return frames.slice(frames.findLastIndex(({ isApp }) => isApp))
}

function build (nodes: readonly Node[], [express, other]: readonly [Express, Express], scopes: readonly ExpressPermit[], ran: (request: Request) => void) {
  const made = nodes.map(({ kind, other: isOther }, index) => index === 0 || kind === 'app' ? appOf(isOther ? other : express) : (isOther ? other : express).Router())
  for (const [index, { items }] of nodes.entries()) {
    const to = made[index] as ReturnType<Express>
    for (const item of items) {
      if (item.kind === 'permit') {
        const authz = scopes[item.scope] as ExpressPermit
        to.use(item.wrapped ? (request: Request, response: Response, next: NextFunction) => { authz(request, response, next) } : authz)
      } else if (item.kind === 'guard') {
        to.get(item.url, guard('task:read'), (request, response) => { ran(request); response.send('in') })
      } else if (item.kind === 'pause') {
        to.use((_request, _response, next) => { setImmediate(next) })
      } else if (item.kind === 'exit') {
        to.use(item.path, (_request, _response, next) => { next('router') })
      } else {
        const child = made[index + item.by] as RequestHandler | undefined
        if (child !== undefined) to.use(item.path, item.called ? (request, response, next) => { child(request, response, next) } : child)
      }
    }
  }
  return made[0] as ReturnType<Express>
}

/** Scope 0 knows user u0 and no other, and so on. */
function scopesFor (t: Test): readonly ExpressPermit[] {
  return Array.from({ length: SCOPES }, (_, index) => authzFor(t, {
    user: byHeader,
    policy: {
      resources: { task: { actions: { read: {} } } },
      roles: { reader: { permissions: ['task:read'] } },
      users: { [`u${index}`]: {} },
      role_assignments: [{ user: `u${index}`, role: 'reader' }]
    }
  }))
}

const [[, five], [, four]] = EXPRESSES as readonly [readonly [string, Express], readonly [string, Express]]

/** The same permit(…) by a function in an app and by itself in the app's router: where the function's stands cannot be seen. */
const WRAPPED: readonly Node[] = [
  { kind: 'app', other: false, items: [{ kind: 'mount', path: '/', by: 1, called: false }, { kind: 'guard', url: '/h' }] },
  { kind: 'app', other: false, items: [{ kind: 'permit', scope: 0, wrapped: true }, { kind: 'mount', path: '/', by: 1, called: false }] },
  { kind: 'router', other: false, items: [{ kind: 'permit', scope: 0, wrapped: false }, { kind: 'guard', url: '/g' }] }
]

/** Such an app in another one with its own permit(…): it is left, and the other's applies. */
const WRAPPED_INSIDE: readonly Node[] = [
  { kind: 'app', other: false, items: [{ kind: 'permit', scope: 1, wrapped: false }, { kind: 'mount', path: '/', by: 1, called: false }, { kind: 'guard', url: '/h' }] },
  ...WRAPPED.slice(1)
]

for (const [version, expresses] of [['Express 5', [five, five]], ['Express 4', [four, four]], ['both versions', [five, four]]] as const) {
  t.test(`${version}: in any mount tree, the permit(…) that the request has passed last applies`, async t => {
    const scopes = scopesFor(t)
    await Promise.all(scopes.map(scope => scope.ready()))
    let app = appOf(five)
    const { ask } = await listen(t, (request, response) => { app(request, response) })
    const seen = new Map<string, number>()
    const count = (outcome: string) => { seen.set(outcome, (seen.get(outcome) ?? 0) + 1) }
    await assertCounted(fc.asyncProperty(tree, async nodes => {
      let ran = 0
      app = build(nodes, expresses, scopes, () => { ran++ })
      for (const url of ASKED) {
        const expected = expectedOf(nodes, url)
        if (expected.size === 1) for (const outcome of expected) count(typeof outcome === 'number' ? 'decided' : outcome)
        else count('unclear')
        if (expected.has('not found') && expected.size === 1) continue
        for (let user = 0; user < SCOPES; user++) {
          ran = 0
          const { status } = await ask(url, `u${user}`)
          if (ran !== (status === 200 ? 1 : 0)) throw new Error(`GET ${url}: the handler ran ${ran} times behind ${status}`)
          const statuses = [...expected].map((outcome): number => outcome === 'not found' ? 404 : typeof outcome === 'string' ? 500 : outcome === user ? 200 : 403)
          if (!statuses.includes(status)) throw new Error(`GET ${url} as u${user}: ${status}, expected ${statuses.join(' or ')}: ${[...expected].join(' or ')}`)
        }
      }
    }), { numRuns: 100, examples: [[WRAPPED], [WRAPPED_INSIDE]] }, () => {
      for (const outcome of ['decided', 'none', 'conflict']) t.ok((seen.get(outcome) ?? 0) > 5, `${outcome}: ${seen.get(outcome)}`)
    })
  })
}
