// Models and policies of casbin, made at random: every shape of a model that is imported, and names that are hard on CSV and on YAML.

/** What casbin is told, and what it can be asked. */
export interface CasbinWorld {
  readonly model: string
  readonly csv: string
  /** Names that are roles, and that casbin takes for users, too. */
  readonly roles: readonly string[]
  readonly subjects: readonly string[]
  readonly domains: readonly string[]
  readonly objects: readonly string[]
  readonly actions: readonly string[]
  /** The order of the values of a request. */
  readonly request: readonly string[]
}

/** mulberry32: a small generator with a seed. */
function randomOf (seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

const HARD = [
  '__proto__', 'constructor', 'hasOwnProperty', '__user', '__tenant', 'toString', 'null', '~', 'yes', 'No', '1e3', '0x1F', '-', '- a', '*', 'a: b', '&a', '*a', '!!str x',
  '{a}', '[x]', '%', '@', '`', "it's", 'a,b', ', ', 'a # b', ' b', '?', '|', '>', 'é', '日本', '🎲', 'data-2', 'data 2', 'data/2', 'admin (d1)', 'admin-d1', 'role:admin',
  'f(x)', '::error::x', '2026-01-31', '.inf', '=', 'a\\b', '\u202etxt', '<<'
]

/** One of the kinds of models, by what they have. */
export const KINDS = [
  { hasDomains: false, links: 0, inRule: false },
  { hasDomains: false, links: 2, inRule: false },
  { hasDomains: true, links: 3, inRule: true },
  { hasDomains: true, links: 3, inRule: false },
  { hasDomains: true, links: 2, inRule: true },
  { hasDomains: true, links: 0, inRule: true }
] as const

/** The world with this seed. Each sixth one has the same kind of model. */
export function casbinWorld (seed: number): CasbinWorld {
  const random = randomOf(seed)
  const below = (count: number): number => Math.floor(random() * count)
  const pick = <T>(items: readonly T[]): T => items[below(items.length)] as T
  const maybe = (): boolean => random() < 0.5
  const shuffled = <T>(items: readonly T[]): T[] => items.map(item => [random(), item] as const).sort(([a], [b]) => a - b).map(([, item]) => item)
  const kind = KINDS[seed % KINDS.length]!
  const pool = (plain: readonly string[], hard: number): string[] => [...new Set([...plain, ...Array.from({ length: hard }, () => pick(HARD))])]

  // Names that come later are roles of those before, so that there are no circles.
  const subjects = pool(['alice', 'bob', 'carol'], 2)
  const groups = pool(['editor', 'admin', 'viewer'], 1).filter(name => !subjects.includes(name))
  const all = [...subjects, ...groups]
  const domains = kind.hasDomains ? pool(['d1', 'default'], 1) : ['']
  const objects = pool(['data'], 2)
  const actions = pool(['read'], 1)

  const [sub, dom, obj, act] = [pick(['sub', 'subject', 'user']), pick(['dom', 'tenant']), pick(['obj', 'resource']), pick(['act', 'method'])]
  const request = shuffled([sub, obj, act, ...(kind.hasDomains ? [dom] : [])])
  const hasEffect = maybe()
  const rule = [...shuffled([sub, obj, act, ...(kind.inRule ? [dom] : [])]), ...(hasEffect ? ['eft'] : [])]
  const equal = (name: string): string => maybe() ? `r.${name} == p.${name}` : `( p.${name}==r.${name} )`
  const role = kind.links === 3 ? `g(r.${sub}, p.${sub}, ${kind.inRule && maybe() ? 'p' : 'r'}.${dom})` : `g (r.${sub},p.${sub})`
  const matcher = shuffled([kind.links === 0 ? equal(sub) : role, equal(obj), equal(act), ...(kind.inRule ? [equal(dom)] : [])]).join(maybe() ? ' && ' : ' && \\\n    ')
  const effect = maybe() ? 'some(where (p.eft == allow))' : 'some(where (p.eft == allow)) && !some(where (p.eft == deny))'
  const model = [
    '# a model', '', '[request_definition]', `r = ${request.join(', ')}`, '[policy_definition]', `p=${rule.join(',')} ; rules`,
    ...(kind.links === 0 ? [] : ['[role_definition]', `g = ${Array.from({ length: kind.links }, () => '_').join(', ')}`]),
    '[policy_effect]', `e = ${effect}`, '[matchers]', `m = ${matcher}`, ''
  ].join(maybe() ? '\n' : '\r\n')

  const quoted = (value: string): string => /[,#]|^\s|\s$/.test(value) || maybe() ? `"${value}"` : value
  const line = (values: readonly string[]): string => values.map(quoted).join(pick([', ', ',', ' , ', ',\t']))
  const rules = Array.from({ length: 3 + below(12) }, () => {
    // With rules in every domain, a user cannot have one of its own.
    const values: Record<string, string> = {
      [sub]: pick(kind.hasDomains && !kind.inRule ? groups : all), [dom]: pick(domains), [obj]: pick(objects), [act]: pick(actions), eft: 'allow'
    }
    const named = rule.map(name => values[name]!)
    return line(['p', ...(hasEffect && maybe() ? named.slice(0, -1) : named)])
  })
  const links: Array<[string, string, string]> = kind.links === 0
    ? []
    : Array.from({ length: 2 + below(8) }, () => {
      const from = below(all.length - groups.length + (groups.length - 1))
      const to = Math.max(from + 1, all.length - groups.length + below(groups.length))
      return [all[from]!, all[to]!, pick(domains)] as [string, string, string]
    })
  // With rules in every domain, a name without members cannot be told from a user.
  if (kind.hasDomains && !kind.inRule) links.push(...groups.map(name => ['alice', name, 'd1'] as [string, string, string]))
  const csv = shuffled([
    ...rules, ...links.map(link => line(['g', ...link.slice(0, kind.links)])), '# a comment', '', 'p9, not, of, the, model', ...(kind.links === 0 ? ['g, alice, admin'] : [])
  ]).join(maybe() ? '\n' : '\r\n')
  return {
    model,
    csv,
    roles: [...new Set(links.map(([, to = '']) => to))],
    subjects: [...all.map(name => name.trim()), 'nobody'],
    domains: [...domains.map(name => name.trim()), ...(kind.hasDomains ? ['d9'] : [])],
    objects: [...objects.map(name => name.trim()), 'nothing'],
    actions: [...actions.map(name => name.trim()), 'none'],
    request
  }
}
