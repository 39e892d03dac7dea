// Keys and values that are made to be taken for others: whatever a column was declared as, and whatever its collation makes equal, a row is
// returned only to who may see exactly that key.
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { toPredicate, fields, type Fields, type Plan } from '../../src/lists/predicate.js'
import type { Condition } from '../../src/contract/plan.js'
import { assertCounted } from '../support/counted.js'
import { postgresqlFor, sqliteFor } from './support/databases.js'
import { casesOf, planOf, TENANT } from './support/random.js'
import { knexSelect, kyselySelect } from './support/sql-targets.js'

/** Each family is one text in the eyes of some database, collation, driver or cast, and several for `check`. */
const FAMILIES: ReadonlyArray<readonly string[]> = [
  ['Doc-A', 'doc-a', 'DOC-A', 'doc-a ', ' doc-a', 'doc-a\t', 'dóc-a', 'do\u0301c-a', 'ＤＯＣ-ａ', 'doc\u00ad-a', 'doc-a\u200b'],
  ['é', 'e\u0301', 'É', 'e'], ['ß', 'ss', 'SS', 'ẞ'], ['ı', 'i', 'I', 'İ'], ['ﬁ', 'fi'], ['Å', 'Å', 'A\u030a'],
  ['1', '1.0', '01', ' 1', '1 ', '+1', '1e0', '0x1', '1\n'], ['0', '-0', '0.0', ''], ['inf', 'Infinity', '9e999', '-inf', 'nan', 'NaN'],
  ['9007199254740993', '9007199254740992', '9.007199254740993e15'], ['true', 'TRUE', 't', '1'], ['null', 'NULL', 'undefined'],
  ['__proto__', 'constructor', 'toString', 'hasOwnProperty'], ["x' OR '1'='1", 'x" OR "1"="1', "x''", 'x\\', 'x;--', '?', '??', '$1', ':a', '{}'],
  ['%', '_', 'a%', 'a_', '*', '\\%'], ['[1]', '"a"', '{"a":1}', '["a","b"]', 'a","b'], ['x'.repeat(5_000), 'x'.repeat(5_001)],
  ['\ud83d\ude00', '\ufffd', '\u2028', '\uffff', '\u{10ffff}'], ['task:1', 'task', ':1', 'acme\u001f1', '1,2']
]
const HOSTILE = [...new Set(FAMILIES.flat())]
/** A driver cuts a text off at NUL, and PostgreSQL has none. */
const WITH_NUL = ['doc-a\0', '\0doc-a', 'doc-a\0Doc-A', '\0']

const hostile = fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...HOSTILE) }, { weight: 1, arbitrary: fc.constantFrom(...WITH_NUL) })
const lone = fc.constantFrom('\ud800', 'doc-a\udc00')
const name = fc.constantFrom('key', 'attributes.owner', 'relations.parent')
/** Up to 20 texts are bound one by one, more as one list. */
const list = fc.oneof(fc.array(fc.oneof(hostile, lone), { minLength: 1, maxLength: 4 }), fc.uniqueArray(hostile, { minLength: 21, maxLength: 30 }))
const one: fc.Arbitrary<Condition> = fc.oneof(
  fc.record({ operator: fc.constantFrom('eq' as const, 'ne' as const), field: name, value: hostile }),
  fc.record({ operator: fc.constant('in' as const), field: name, value: list })
)
const condition: fc.Arbitrary<Condition> = fc.oneof(
  { weight: 3, arbitrary: one },
  { weight: 1, arbitrary: fc.record({ operator: fc.constantFrom('and' as const, 'or' as const), value: fc.array(one, { minLength: 2, maxLength: 3 }) }) },
  { weight: 1, arbitrary: one.map(part => ({ operator: 'not' as const, value: [part] })) }
)

const tableOf = (database: 'sqlite' | 'postgresql', type?: 'text'): Fields => {
  const column = (column: string) => type === undefined ? column : { column, type }
  return fields({ database, key: column('id'), tenant: column('tenant'), attributes: { owner: column('owner') }, relations: { parent: column('parent') } })
}

async function compare (t: Test, name: string, things: Fields, all: (sql: string, values?: readonly unknown[]) => Promise<Array<Record<string, unknown>>>, selects: ReadonlyArray<(plan: Plan) => { sql: string, values: readonly unknown[] }>): Promise<void> {
  const stored = await all('SELECT * FROM things')
  const isIn = toPredicate({ kind: 'all', type: 'thing', tenant: TENANT }, things)
  t.ok(stored.length > 80 && stored.some(row => !isIn(row)), `${name} has rows of the tenant, and of others`)
  const seen = { returned: 0, left: 0 }
  await assertCounted(fc.asyncProperty(condition, async condition => {
    const plan = planOf(condition)
    const expected = JSON.stringify(stored.filter(toPredicate(plan, things)).map(({ n }) => Number(n)).sort())
    for (const select of selects) {
      const { sql, values } = select(plan)
      const returned = (await all(sql.replace(/select\s+["`]id["`]/i, 'SELECT n'), values)).map(({ n }) => Number(n)).sort()
      seen.returned += returned.length
      seen.left += stored.length - returned.length
      if (JSON.stringify(returned) !== expected) throw new Error(`${name}: ${JSON.stringify({ condition, expected, returned })} for ${sql}`)
    }
  }), { numRuns: casesOf(60), examples: [[{ operator: 'in', field: 'key', value: HOSTILE }], [{ operator: 'eq', field: 'key', value: 'doc-a' }]] }, () => {
    t.ok(seen.returned > 0 && seen.left > 0, `${name}: ${seen.returned} rows were returned, ${seen.left} were not`)
  })
}

/** Every hostile text as a key, each with another as its owner and its parent; some in a tenant whose name is nearly the same. */
const rows = HOSTILE.map((id, index) => [index, id, ['acme', 'ACME', 'acme ', 'acme'][index % 4], HOSTILE[(index * 7) % HOSTILE.length], HOSTILE[(index * 11) % HOSTILE.length]])

t.test('in SQLite, with each declaration of a column and each collation', async t => {
  for (const declared of ['TEXT', 'TEXT COLLATE NOCASE', 'TEXT COLLATE RTRIM', 'NUMERIC', 'INTEGER', 'REAL', 'BLOB', '']) {
    const { all } = sqliteFor(t)
    await all(`CREATE TABLE things (n INTEGER, id ${declared}, tenant TEXT COLLATE NOCASE, owner ${declared}, parent ${declared})`)
    for (const row of rows) await all('INSERT INTO things VALUES (?, ?, ?, ?, ?)', row)
    await all("INSERT INTO things VALUES (901, CAST('doc-a' AS BLOB), 'acme', CAST('1' AS BLOB), NULL), (902, 1, 'acme', 1, 1), (903, 1.5, 'acme', 9e999, 0), (904, 1.0, 'acme', 1.0, 1.0), (905, 9007199254740993, 'acme', 1, 9007199254740993), (906, 9007199254740992.0, 'acme', 1, 1e20)")
    // A column that is not declared as text may hold numbers, and makes some of texts.
    for (const type of declared.startsWith('TEXT') ? [undefined, 'text'] as const : [undefined]) {
      const things = tableOf('sqlite', type)
      await compare(t, `SQLite, ${declared || 'no type'}, ${type}`, things, all, [kyselySelect(things, 'sqlite'), knexSelect(things, 'better-sqlite3')])
    }
  }
})

t.test('in PostgreSQL, with each collation that it has', async t => {
  const { all } = await postgresqlFor(t)
  for (const declared of ['text', 'varchar(6000) COLLATE "C"']) {
    await all('DROP TABLE IF EXISTS things')
    await all(`CREATE TABLE things (n integer, id ${declared}, tenant ${declared}, owner ${declared}, parent ${declared})`)
    for (const row of rows) await all('INSERT INTO things VALUES ($1, $2, $3, $4, $5)', row)
    const things = tableOf('postgresql', 'text')
    await compare(t, `PostgreSQL, ${declared}`, things, all, [kyselySelect(things, 'postgresql'), knexSelect(things, 'pg')])
  }
})
