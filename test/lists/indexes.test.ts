// A page of a list uses the indexes that an expert's where-clause would use, in SQLite and in PostgreSQL.
import t from 'tap'
import type { Condition, Plan } from '../../src/contract/plan.js'
import { fields, type ColumnType, type Fields } from '../../src/lists/kysely.js'
import { postgresqlFor, sqliteFor } from './support/databases.js'
import { kyselySelect } from './support/sql-targets.js'

const ROWS = 60_000

const planOf = (condition: Condition): Plan => ({ kind: 'some', type: 'task', tenant: 't7', condition: { operator: 'and', value: [{ operator: 'eq', field: 'tenant', value: 't7' }, condition] } })
const field = (operator: string, field: string, value: unknown): Condition => ({ operator, field, value }) as Condition
const or = (...value: Condition[]): Condition => ({ operator: 'or', value })

const keys = Array.from({ length: 30 }, (_, index) => String(7 + index * 100))
const many = Array.from({ length: 5_000 }, (_, index) => String(7 + index * 100))

const PLANS: Record<string, Plan> = {
  'all rows of the tenant': { kind: 'all', type: 'task', tenant: 't7' },
  'rows of an owner': planOf(field('eq', 'attributes.owner', 'u123')),
  'rows of an owner, or of a list of keys': planOf(or(field('eq', 'attributes.owner', 'u123'), field('in', 'key', keys))),
  'a long list of keys': planOf(field('in', 'key', many)),
  'a range of numbers': planOf(field('gte', 'attributes.level', 595)),
  'rows after a time, written as text': planOf(field('gte', 'attributes.day', '2024-12-30'))
}

const mapping = (database: 'sqlite' | 'postgresql', day: ColumnType): Fields => fields({
  database,
  key: { column: 'id', type: 'integer' },
  tenant: { column: 'tenant_id', type: 'text' },
  attributes: { owner: { column: 'owner_id', type: 'text' }, level: { column: 'level', type: 'integer' }, day: { column: 'day', type: day } }
})

t.test('SQLite uses an index, and does not scan the table', async t => {
  const database = sqliteFor(t)
  await database.all('CREATE TABLE things (id INTEGER PRIMARY KEY, tenant_id TEXT NOT NULL, owner_id TEXT, level INTEGER, day TEXT)')
  await database.all(`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${ROWS}) INSERT INTO things SELECT i, 't' || (i % 100), 'u' || (i / 100 % 1000), i / 100 % 1000, '2024-' || printf('%02d', 1 + i / 100 % 12) || '-' || printf('%02d', 1 + i / 100 % 30) FROM n`)
  for (const columns of ['tenant_id, owner_id', 'tenant_id, level', 'tenant_id, day', 'tenant_id, id']) await database.all(`CREATE INDEX by_${columns.replace(', ', '_')} ON things (${columns})`)
  await database.all('ANALYZE')
  const select = kyselySelect(mapping('sqlite', 'text'), 'sqlite')
  for (const [name, plan] of Object.entries(PLANS)) {
    const { sql, values } = select(plan)
    const steps = (await database.all(`EXPLAIN QUERY PLAN ${sql} ORDER BY id LIMIT 20`, values)).map(({ detail }) => String(detail))
    t.ok(steps.some(step => /^SEARCH things USING (COVERING )?(INDEX|INTEGER PRIMARY KEY)/.test(step)), `${name}: ${steps.join('; ')}`)
    t.notOk(steps.some(step => /^SCAN things/.test(step)), `${name}: ${steps.join('; ')}`)
    t.ok((await database.all(`${sql} ORDER BY id LIMIT 20`, values)).length > 0, `${name} has rows`)
  }
})

t.test('PostgreSQL uses an index, and does not scan the table', async t => {
  const database = await postgresqlFor(t)
  await database.all('CREATE TABLE things (id bigint PRIMARY KEY, tenant_id text NOT NULL, owner_id text, level integer, day timestamptz)')
  await database.all(`INSERT INTO things SELECT i, 't' || (i % 100), 'u' || (i / 100 % 1000), i / 100 % 1000, timestamptz '2024-01-01Z' + (i / 100 % 365) * interval '1 day' FROM generate_series(1, ${ROWS}) AS i`)
  for (const columns of ['tenant_id, owner_id', 'tenant_id, level', 'tenant_id, day', 'tenant_id, id']) await database.all(`CREATE INDEX by_${columns.replace(', ', '_')} ON things (${columns})`)
  await database.all('ANALYZE things')
  const select = kyselySelect(mapping('postgresql', 'date'), 'postgresql')
  for (const [name, plan] of Object.entries(PLANS)) {
    const { sql, values } = select(plan)
    const steps = (await database.all(`EXPLAIN ${sql} ORDER BY id LIMIT 20`, values)).map(step => String(step['QUERY PLAN']).trim())
    t.ok(steps.some(step => /Index (Only )?Scan|Bitmap Index Scan/.test(step)), `${name}: ${steps.join('; ')}`)
    t.ok(steps.some(step => /Index Cond/.test(step)), `${name} looks values up: ${steps.join('; ')}`)
    t.notOk(steps.some(step => /Seq Scan/.test(step)), `${name}: ${steps.join('; ')}`)
    t.ok((await database.all(`${sql} ORDER BY id LIMIT 20`, values)).length > 0, `${name} has rows`)
  }
})
