// One suite of guard behaviour over every decision point and every framework; it prints the matrix at the end.
import t, { type Test } from 'tap'
import { BEHAVIOURS, routes, type Answer, type Cell } from './behaviours.js'
import { DECISION_POINTS, type DecisionPointRow } from './decision-points.js'
import { FRAMEWORKS, type FrameworkColumn } from './frameworks.js'

type Mark = 'yes' | 'NO' | '–'

/** By behaviour, then by column. */
const matrix = new Map<string, Map<string, Mark>>(BEHAVIOURS.map(({ name }) => [name, new Map()]))

const cells = DECISION_POINTS.flatMap(point => FRAMEWORKS.map(framework => ({ point, framework, name: `${framework.name}, ${point.name}` })))

for (const { point, framework, name } of cells) {
  t.test(name, async t => {
    if (point.available?.() === false) {
      for (const row of matrix.values()) row.set(name, '–')
      t.comment(`${point.name} cannot run here`)
      return
    }
    const cell = await startCell(t, point, framework)
    for (const behaviour of BEHAVIOURS) {
      let mark: Mark = 'NO'
      await t.test(behaviour.name, async t => {
        const done = await behaviour.run(t, cell)
        mark = done === false ? '–' : t.passing() ? 'yes' : 'NO'
        if (done === false) t.comment(`${point.name} cannot do that`)
      })
      matrix.get(behaviour.name)?.set(name, mark)
    }
  })
}

t.test('the matrix is complete', async t => {
  for (const line of tableLines()) t.comment(line)
  for (const [behaviour, row] of matrix) t.equal(row.size, cells.length, behaviour)
  t.notOk([...matrix.values()].some(row => [...row.values()].includes('NO')))
})

async function startCell (t: Test, point: DecisionPointRow, framework: FrameworkColumn): Promise<Cell> {
  const decisionPoint = await point.start(t)
  t.teardown(() => decisionPoint.stop())
  let ran = 0
  const app = await framework.start({
    ...decisionPoint.options,
    cache: { ttl: 60_000 },
    user: request => request.headers['x-user'] as string | undefined,
    tenant: request => request.headers['x-tenant'] as string | undefined
  }, routes.map(route => ({ ...route, handle: request => { ran++; return route.handle(request) } })))
  t.teardown(() => app.close())
  return { decisionPoint, permit: app.permit, ran: () => ran, ask: (path, user, tenant) => ask(app.url + path, user, tenant) }
}

async function ask (url: string, user: string | undefined, tenant: string | undefined): Promise<Answer> {
  const headers: Record<string, string> = { ...(user === undefined ? {} : { 'x-user': user }), ...(tenant === undefined ? {} : { 'x-tenant': tenant }) }
  const answer = await fetch(url, { headers })
  const text = await answer.text()
  return { status: answer.status, headers: answer.headers, body: answer.headers.get('content-type')?.includes('json') ? JSON.parse(text) : text }
}

/** A table for each decision point: behaviours down, frameworks across. */
function tableLines (): string[] {
  const width = Math.max(...BEHAVIOURS.map(({ name }) => name.length))
  const head = FRAMEWORKS.map(({ name }) => name.padEnd(10)).join('  ')
  return DECISION_POINTS.flatMap(point => [
    `${point.name.padEnd(width)}  ${head}`,
    ...BEHAVIOURS.map(({ name }) => [
      name.padEnd(width), ...FRAMEWORKS.map(framework => matrix.get(name)?.get(`${framework.name}, ${point.name}`)?.padEnd(10))
    ].join('  '))
  ])
}
