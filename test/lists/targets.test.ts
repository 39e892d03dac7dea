// The promises of the targets that no random case is about: what is refused and how it is said, bounds of databases, tables of one tenant, hostile texts.
import t from 'tap'
import type { Condition, Plan } from '../../src/contract/plan.js'
import { fields, type Mapping } from '../../src/lists/fields.js'
import { toKnex } from '../../src/lists/knex.js'
import { toKysely } from '../../src/lists/kysely.js'
import { toMongo } from '../../src/lists/mongo.js'
import { toPredicate } from '../../src/lists/predicate.js'
import { toPrisma } from '../../src/lists/prisma.js'
import knex from 'knex'
import { isBelow } from '../support/beat.js'
import { postgresqlFor, sqliteFor } from './support/databases.js'
import { knexSelect, kyselySelect } from './support/sql-targets.js'

const is = (operator: string, field: string, value: unknown): Condition => ({ operator, field, value }) as Condition
const planOf = (condition: Condition, sources?: Record<string, string[]>): Plan =>
  ({ kind: 'some', type: 'task', tenant: 'acme', condition: { operator: 'and', value: [is('eq', 'tenant', 'acme'), condition] }, ...(sources === undefined ? {} : { sources }) })
const all: Plan = { kind: 'all', type: 'task', tenant: 'acme' }
const none: Plan = { kind: 'none', type: 'task', tenant: 'acme' }

const tasks = (more: Partial<Mapping> = {}) => fields({ database: 'postgresql', key: 'id', tenant: 'tenant_id', attributes: { owner: 'owner_id', 'address.city': 'city' }, ...more })

const TARGETS = { toKysely, toKnex, toMongo, toPrisma, toPredicate: (plan: Plan, mapping: ReturnType<typeof tasks>) => toPredicate(plan, mapping) }

t.test('an attribute without a column is an error that names it, the rules, and the nearest word, for every target', async t => {
  const plan = planOf({ operator: 'or', value: [is('eq', 'attributes.owner', 'ann'), is('eq', 'attributes.ownr', 'ann')] }, { 'attributes.ownr': ["set_rules[2]: user set 'staff' on resource set 'own'"] })
  for (const [name, target] of Object.entries(TARGETS)) {
    t.throws(() => target(plan, tasks()), {
      code: 'FST_PERMIT_TRANSLATION',
      message: `${name}: 'attributes.ownr' has no column (needed by set_rules[2]: user set 'staff' on resource set 'own'); add attributes: { 'ownr': '<column>' } to fields(); did you mean 'attributes.owner'?`
    }, name)
    t.throws(() => target(planOf(is('in', 'relations.parent', ['a'])), tasks()), { message: /'relations\.parent' has no column; add relations: \{ 'parent': '<column>' \}/ }, name)
  }
})

t.test('a plan of another resource type than that of the mapping is refused by every target', async t => {
  for (const [name, target] of Object.entries(TARGETS)) {
    const mapping = tasks({ type: 'task' })
    for (const plan of [all, none, planOf(is('eq', 'attributes.owner', 'ann'))]) {
      t.doesNotThrow(() => target(plan, mapping), name)
      t.throws(() => target({ ...plan, type: 'document' }, mapping), {
        code: 'FST_PERMIT_TRANSLATION',
        message: `${name}: the plan is for 'document', and the mapping is for 'task'; pass the fields() of the plan's type`
      })
    }
  }
})

t.test('an operator without an exact translation is refused with its name, the field and what to do, for every target', async t => {
  const refused: Array<[keyof typeof TARGETS, Condition, RegExp, Partial<Mapping>?]> = [
    ['toKysely', is('lt', 'attributes.owner', '\u{1f600}'), /toKysely cannot translate 'lt' on 'attributes\.owner' exactly: the text has characters beyond U\+D7FF/],
    ['toKnex', is('contains', 'attributes.owner', '\ud800'), /toKnex cannot translate 'contains' on 'attributes\.owner' exactly: the text has half of a surrogate pair/],
    ['toKysely', is('array_contains', 'attributes.owner', 'a'), /'array_contains' .* set type: 'json' \(or 'array'\) for 'attributes\.owner' in fields\(\)/],
    ['toKysely', is('lt_field', 'attributes.owner', 'attributes.address.city'), /'lt_field' .* set the type of 'attributes\.owner' in fields\(\)/],
    ['toKysely', is('eq', 'attributes.owner', true), /SQLite stores 'true' as 1; set type: 'boolean'/, { database: 'sqlite' }],
    ['toKysely', is('eq', 'attributes.owner', 2 ** 53), /beyond 2\^53/, { database: 'sqlite' }],
    ['toKysely', is('resembles', 'attributes.owner', 'a'), /'resembles' .* the operator is not known/],
    ['toPrisma', is('contains', 'attributes.owner', 'a'), /SQLite's LIKE, .* ignores the case of letters/, { database: 'sqlite' }],
    ['toPrisma', is('contains', 'attributes.owner', '100%'), /reads '%', '_' and '\\' in the text as a pattern/],
    ['toPrisma', is('lt', 'attributes.owner', 'a'), /PostgreSQL orders by the column's collation/],
    ['toPrisma', is('eq', 'attributes.owner', 0.1 + 0.2), /the number has 17 digits, and Prisma passes on 16/],
    ['toPrisma', is('any_match', 'attributes.owner', is('eq', 'item.a', 1)), /reads a list or an object/],
    ['toMongo', is('eq', 'attributes.owner', { a: 1 }), /MongoDB compares the order of members in objects/],
    ['toMongo', is('resembles', 'attributes.owner', 'a'), /the operator is not known/],
    ['toPredicate', is('resembles', 'attributes.owner', 'a'), /unknown operator 'resembles'/]
  ]
  for (const [name, condition, message, more] of refused) {
    t.throws(() => TARGETS[name](planOf(condition), tasks(more)), { code: 'FST_PERMIT_TRANSLATION', message }, `${name} ${JSON.stringify(condition)}`)
  }
})

t.test('an invalid mapping is refused by fields()', async t => {
  const wrong: Array<[object, RegExp]> = [
    [{ tenant: 't' }, /key is missing/],
    [{ key: 'id' }, /tenant is missing; .* tenant: \{ only: 'acme' \}/],
    [{ key: 'id', tenant: 't', atributes: {} }, /unknown option 'atributes'; did you mean 'attributes'\?/],
    [{ key: 'id', tenant: 't', database: 'postgres' }, /did you mean 'postgresql'\?/],
    [{ key: 'id', tenant: 't', attributes: { a: { column: 'a', tpye: 'text' } } }, /attributes\.a has the unknown option 'tpye'; did you mean 'type'\?/],
    [{ key: 'id', tenant: 't', attributes: { a: { column: 'a', type: 'txt' } } }, /attributes\.a\.type is 'txt'; did you mean 'text'\?/],
    [{ key: 'id', tenant: 't', attributes: { a: '' } }, /attributes\.a must be a column/],
    [{ key: 'id', tenant: 't', attributes: { 'a..b': 'a' } }, /'a\.\.b'/],
    [{ key: { column: 'id', type: 'json' }, tenant: 't' }, /key is a key, and a key cannot have the type 'json'/],
    [{ type: '', key: 'id', tenant: 't' }, /type must be the resource type of the rows/],
    [{ key: 'id', tenant: { only: '' } }, /tenant\.only/],
    [{ key: 'id', tenant: { ony: 'a' } }, /unknown option 'ony'/]
  ]
  for (const [mapping, message] of wrong) {
    t.throws(() => fields(mapping as Mapping), { code: 'FST_PERMIT_OPTIONS', message }, JSON.stringify(mapping))
  }
  t.throws(() => toKysely(all, fields({ key: 'id', tenant: 't' })), { message: /toKysely requires the database/ })
  t.throws(() => toPrisma(all, fields({ key: 'id', tenant: 't' })), { message: /toPrisma requires the database/ })
})

t.test('a table of one tenant has no condition on the tenant, and returns no row for another tenant', async t => {
  const database = sqliteFor(t)
  await database.all('CREATE TABLE things (id TEXT)')
  await database.all("INSERT INTO things VALUES ('1'), ('2')")
  const rows = async (plan: Plan, only: string | true): Promise<unknown[]> => {
    const mapping = tasks({ database: 'sqlite', tenant: { only } })
    const { sql, values } = kyselySelect(mapping, 'sqlite')(plan)
    const found = (await database.all(sql, values)).map(({ id }) => id)
    t.same([{ id: '1' }, { id: '2' }].filter(toPredicate(plan, mapping)).map(({ id }) => id), found)
    return found
  }
  t.same(await rows(all, 'acme'), ['1', '2'])
  t.same(await rows(all, true), ['1', '2'])
  t.same(await rows(all, 'other'), [])
  t.same(await rows(none, true), [])
  t.same(await rows(planOf(is('eq', 'key', '1')), 'acme'), ['1'])
  t.same(await rows(planOf(is('eq', 'key', '1')), 'other'), [])
  t.same(await rows(planOf({ operator: 'not', value: [is('eq', 'key', '1')] }), 'other'), [])
  t.same(await rows(planOf(is('ne', 'tenant', 'acme')), 'acme'), [])
  t.same(await rows(planOf(is('contains', 'tenant', 'ac')), 'acme'), ['1', '2'])
  t.same(toMongo(all, tasks({ tenant: { only: true } })), {})
  t.same(toPrisma(all, tasks({ tenant: { only: 'acme' } })), {})
  t.same(toPrisma(all, tasks({ tenant: { only: 'other' } })), { OR: [] })
})

t.test('the condition has the tenant, even if that of the plan does not', async t => {
  const forgetful: Plan = { kind: 'some', type: 'task', tenant: 'acme', condition: is('eq', 'attributes.owner', 'ann') }
  t.match(kyselySelect(tasks(), 'postgresql')(forgetful), { sql: /"tenant_id" = CAST\(\$1 AS text\)/, values: ['acme'] })
  t.match(toPrisma(forgetful, tasks()), { AND: [{ tenant_id: { equals: 'acme' } }, {}] })
  t.match(JSON.stringify(toMongo(forgetful, tasks())), /"tenant_id":\{"\$eq":"acme"\}/)
  t.equal(toPredicate(forgetful, tasks())({ tenant_id: 'other', owner_id: 'ann' }), false)
})

t.test('a value that is not a plan is refused, and never returns all rows', async t => {
  for (const [name, target] of Object.entries(TARGETS)) {
    if (name === 'toPredicate') continue
    t.throws(() => target({ kind: 'sume' } as unknown as Plan, tasks()), { code: 'FST_PERMIT_TRANSLATION' }, name)
  }
  t.throws(() => toPredicate({ kind: 'sume' } as unknown as Plan))
})

const HOSTILE = ["'; DROP TABLE things; --", '"; DROP TABLE things; --', "a' OR '1'='1", '$1', '?', '??', ':name', '\\', "\\'", '%', '/*', '\u0000', '{"$ne":null}', '$where']

t.test('values are never part of the SQL text, whatever they contain', async t => {
  for (const value of HOSTILE) {
    const plan = planOf({ operator: 'or', value: [is('eq', 'attributes.owner', value), is('contains', 'attributes.address.city', value), is('in', 'key', [value, 'x']), is('eq', 'attributes.data', value), is('eq', `attributes.data.${value.replaceAll('.', '')}`, value)] })
    for (const database of ['sqlite', 'postgresql'] as const) {
      const mapping = tasks({ database, attributes: { owner: 'owner_id', 'address.city': 'city', data: { column: 'data', type: 'json' } } })
      const { sql, values } = kyselySelect(mapping, database)(plan)
      if (value.length > 5) t.notOk(sql.includes(value), `${database}: ${sql}`)
      const placeholders = (database === 'sqlite' ? sql.match(/\?/g) : sql.match(/\$\d+/g))?.length
      t.equal(placeholders, values.length)
      t.equal(knexSelect(mapping, database === 'sqlite' ? 'better-sqlite3' : 'pg')(plan).values.length, values.length, 'Knex has as many values')
    }
  }
})

t.test('the values of a condition never become operators in a filter of MongoDB', async t => {
  const values: unknown[] = []
  const collect = (filter: unknown): void => {
    if (Array.isArray(filter)) filter.forEach(collect)
    else if (typeof filter === 'object' && filter !== null) {
      for (const [name, value] of Object.entries(filter)) {
        if (name === '$eq' && typeof value !== 'object') values.push(value)
        collect(value)
      }
    }
  }
  collect(toMongo(planOf(is('eq', 'attributes.owner', '{"$ne":null}')), tasks()))
  t.same(values, ['acme', '{"$ne":null}'])
  t.throws(() => toMongo(planOf(is('eq', 'attributes.owner', { $ne: null })), tasks()), { code: 'FST_PERMIT_TRANSLATION' })
  t.match(JSON.stringify(toMongo(planOf(is('in', 'attributes.data', ['$tenant_id'])), tasks({ attributes: { data: { column: 'data', type: 'json' } } }))), /"\$literal":"\$tenant_id"/)
  // mingo would not look into the list of a path here; MongoDB does.
  t.match(JSON.stringify(toMongo(planOf(is('eq', 'attributes.city', 'Rome')), tasks({ attributes: { city: 'address.city' } }))), '{"address":{"$not":{"$type":"array"}}}')
  t.throws(() => toMongo(all, tasks({ tenant: '$where' })), /'\$where' is not a path/)
})

/** Takes the longest to start: one for all tests. */
const postgresql = await postgresqlFor(t)
t.afterEach(() => postgresql.all('DROP TABLE IF EXISTS things'))

t.test('columns are quoted by the library, and columns named like those of JSON functions are not confused with them', async t => {
  const names = ['id', 'type', 'key', 'value', 'parent', 'json', 'root', 'atom', 'path', 'item', 'permit_1']
  const sqlite = sqliteFor(t)
  for (const [database, all] of [['sqlite', sqlite.all], ['postgresql', postgresql.all]] as const) {
    await all(`CREATE TABLE things (${names.map(name => `"${name}" ${database === 'sqlite' ? 'TEXT' : name === 'json' ? 'jsonb' : 'text'}`).join(', ')})`)
    await all(`INSERT INTO things VALUES (${names.map(name => name === 'json' ? "'[\"b\",\"c\"]'" : `'${name[0]}'`).join(', ')})`)
    for (const name of names.filter(name => name !== 'json' && name !== 'id')) {
      const mapping = fields({ database, key: 'id', tenant: { only: true }, attributes: { one: { column: name, type: 'text' }, list: { column: 'json', type: 'json' } } })
      const { sql, values } = kyselySelect(mapping, database)(planOf(is('array_contains_field', 'attributes.list', 'attributes.one')))
      t.equal((await all(sql, values)).length, name[0] === 'b' || name[0] === 'c' ? 1 : 0, `${database} ${name}: ${sql}`)
      const direct = kyselySelect(mapping, database)(planOf(is('eq', 'attributes.one', name[0])))
      t.equal((await all(direct.sql, direct.values)).length, 1, `${database} ${name}`)
    }
  }
  const evil = fields({ database: 'sqlite', key: 'id', tenant: { only: true }, attributes: { a: 'x" OR 1=1 --' } })
  t.match(kyselySelect(evil, 'sqlite')(planOf(is('eq', 'attributes.a', 'y'))).sql, /"x"" OR 1=1 --"/)
})

t.test('a list of 100,000 keys, also unusual ones, is one statement within the limits of both databases', async t => {
  const keys = Array.from({ length: 100_000 }, (_, index) => `key ${index}`).concat('\ud800', "it's", 'a"b', '\u2028', 'é')
  const sqlite = sqliteFor(t)
  for (const [database, all] of [['sqlite', sqlite.all], ['postgresql', postgresql.all]] as const) {
    await all('CREATE TABLE things (id text, tenant_id text)')
    for (const id of ['key 0', 'key 99999', 'key 100000', "it's", 'a"b', '\u2028', 'é', 'e\u0301', 'KEY 1']) await all(`INSERT INTO things VALUES (${database === 'sqlite' ? '?' : '$1'}, 'acme')`, [id])
    const { sql, values } = kyselySelect(tasks({ database }), database)(planOf(is('in', 'key', keys)))
    t.ok(values.length < 10, `${values.length} values`)
    t.same((await all(sql, values)).map(({ id }) => id).sort(), ['a"b', "it's", 'key 0', 'key 99999', '\u2028', 'é'].sort(), database)
  }
})

const texts = (count: number, start = 'k') => Array.from({ length: count }, (_, index) => `${start}${index}`)
const anyOf = (parts: Condition[]): Condition => ({ operator: 'or', value: parts })
const LARGE: Record<string, [condition: Condition, refused: Record<'sqlite' | 'postgresql', RegExp | undefined>]> = {
  'as many comparisons as are accepted': [
    anyOf(texts(399).map(text => is('contains', 'attributes.owner', text))), { sqlite: undefined, postgresql: undefined }
  ],
  'as many that do not hold': [
    { operator: 'and', value: texts(399).map(text => ({ operator: 'not', value: [is('contains', 'attributes.owner', text)] })) }, { sqlite: undefined, postgresql: undefined }
  ],
  'more comparisons': [
    anyOf(texts(401).map(text => is('contains', 'attributes.owner', text))),
    { sqlite: /more than 400 comparisons\. Use filter\(\)/, postgresql: /more than 400 comparisons/ }
  ],
  'a superset of many': [is('array_superset', 'attributes.data', texts(2_000)), { sqlite: /more than 400 comparisons/, postgresql: /more than 400 comparisons/ }],
  'a list of many booleans and objects': [is('in', 'attributes.data', texts(2_000).map(a => ({ a }))), { sqlite: /more than 400 comparisons/, postgresql: /more than 400 comparisons/ }],
  'many lists, each one value': [
    anyOf(texts(70).map(text => ({ operator: 'and', value: [is('in', 'attributes.owner', texts(499, text)), is('contains', 'key', text)] }))),
    { sqlite: undefined, postgresql: undefined }
  ],
  'a long list of texts with NUL': [
    is('in', 'attributes.owner', texts(33_000, 'a\0')), { sqlite: /has 33001 values, which are too many for a statement of SQLite; the limit is 15000/, postgresql: undefined }
  ],
  'many columns for each value': [
    anyOf(texts(399).map((_, index) => is('lt', 'attributes.owner', index))), { sqlite: undefined, postgresql: undefined }
  ]
}

t.test('what is too much for a statement is refused when the plan is translated, and what is translated is accepted by the databases', async t => {
  const sqlite = sqliteFor(t)
  for (const [database, all] of [['sqlite', sqlite.all], ['postgresql', postgresql.all]] as const) {
    await all(`CREATE TABLE things (id text, tenant_id text, owner_id text, data ${database === 'sqlite' ? 'text' : 'jsonb'})`)
    const mapping = tasks({ database, attributes: { owner: 'owner_id', data: { column: 'data', type: 'json' } } })
    for (const [name, [condition, { [database]: refused }]] of Object.entries(LARGE)) {
      const made = () => kyselySelect(mapping, database)(planOf(condition))
      if (refused === undefined) {
        const { sql, values } = made()
        t.same(await all(sql, values), [], `${database}: ${name}`)
      } else t.throws(made, { code: 'FST_PERMIT_TRANSLATION', message: refused }, `${database}: ${name}`)
    }
  }
})

t.test('the costliest conditions that are accepted take less than 50 ms of the event loop', async t => {
  const attributes = { text: 'text', time: { column: 'time', type: 'date' as const }, data: { column: 'data', type: 'json' as const } }
  const costly: Record<string, (count: number) => Condition[]> = {
    times: count => texts(count).map((_, index) => is('lt', 'attributes.time', new Date(index * 1e9).toISOString())),
    'texts in JSON': count => texts(count).map(text => is('eq', 'attributes.data.a.b', text)),
    'lists in JSON': count => texts(count).map(text => is('array_intersect', 'attributes.data.list', [text, 'other'])),
    'numbers in JSON': count => texts(Math.floor(count / 4)).map((_, index) => is('in', 'attributes.data.number', [index, -index, index + 0.5, index + 0.25, 1e9 + index, 7])),
    objects: count => texts(Math.floor(count / 8)).map(text => is('eq', 'attributes.data.object', { text, list: [1, 'x'], inner: { none: null } })),
    matches: count => texts(Math.floor(count / 3)).map(text => is('any_match', 'attributes.data.list', { operator: 'and', value: [is('eq', 'item.a', text), is('ne', 'item.b', text)] })),
    'lists of texts': () => texts(29).map(text => is('in', 'attributes.text', texts(499, text)))
  }
  for (const database of ['sqlite', 'postgresql'] as const) {
    const mapping = tasks({ database, attributes })
    for (const [name, parts] of Object.entries(costly)) {
      const plan = planOf(anyOf(parts(398)))
      let best = Infinity
      for (let round = 0; round < 10 && best > 40; round++) {
        const start = process.cpuUsage()
        toKysely(plan, mapping)
        const { user, system } = process.cpuUsage(start)
        best = Math.min(best, (user + system) / 1_000)
      }
      t.ok(isBelow(best, 50), `${database}, ${name}: ${best.toFixed(1)} ms`)
    }
  }
})

t.test('what is too much for Prisma and MongoDB is refused when the plan is translated', async t => {
  const keys = (count: number) => planOf(is('in', 'key', texts(count)))
  t.equal((toPrisma(keys(899), tasks({ database: 'sqlite' })) as { AND: unknown[] }).AND.length, 2)
  t.throws(() => toPrisma(keys(900), tasks({ database: 'sqlite' })), {
    code: 'FST_PERMIT_TRANSLATION', message: /has 901 values, and Prisma accepts 999 in a query; the limit is 900, .* Use toKysely/
  })
  t.equal((toPrisma(keys(31_999), tasks()) as { AND: unknown[] }).AND.length, 2)
  t.throws(() => toPrisma(keys(32_000), tasks()), { message: /has 32001 values, and Prisma accepts 32766/ })
  let deep = is('eq', 'attributes.owner', 'ann')
  for (let depth = 0; depth < 34; depth++) deep = { operator: depth % 2 === 0 ? 'not' : 'and', value: [deep, ...depth % 2 === 0 ? [] : [is('ne', 'key', String(depth))]] } as Condition
  t.throws(() => toMongo(planOf(deep), tasks()), { message: /nested deeper than 32 levels/ })
  t.throws(() => toKysely(planOf(deep), tasks()), { message: /nested deeper than 32 levels/ })
})

t.test('a number in jsonb halfway between two doubles is the one that JSON.parse returns', async t => {
  const { all } = postgresql
  await all('CREATE TABLE things (id text, tenant_id text, data jsonb)')
  const middle = '1.00000000000000011102230246251565404236316680908203125'
  const numbers = [middle, `-${middle}`, `${middle}1`, middle.replace(/5$/, '4'), '1', '1.0000000000000002', '1.00000000000000033306690738754696212708950042724609375']
  for (const number of numbers) await all(`INSERT INTO things VALUES ($1, 'acme', '${number}')`, [number])
  const select = kyselySelect(tasks({ attributes: { data: { column: 'data', type: 'json' } } }), 'postgresql')
  const compare: Record<string, (a: number, b: number) => boolean> = { eq: (a, b) => a === b, ne: (a, b) => a !== b, lt: (a, b) => a < b, lte: (a, b) => a <= b, gt: (a, b) => a > b, gte: (a, b) => a >= b }
  for (const value of [1, -1, 1.0000000000000002, 1.0000000000000004]) {
    for (const [operator, holds] of Object.entries(compare)) {
      const { sql, values } = select(planOf(is(operator, 'attributes.data', value)))
      t.same((await all(sql, values)).map(({ id }) => id).sort(), numbers.filter(number => holds(Number(number), value)).sort(), `${operator} ${value}`)
    }
  }
})

t.test('Knex refuses a mapping of another database', async t => {
  t.throws(() => knex({ client: 'pg' })('things').where(toKnex(all, tasks({ database: 'sqlite' }))).toSQL(), { code: 'FST_PERMIT_TRANSLATION', message: /the mapping is for sqlite, and this query is for postgresql/ })
  t.throws(() => knex({ client: 'mysql2' })('things').where(toKnex(all, tasks())).toSQL(), { message: /this query is for mysql/ })
})

t.test('a frozen plan is translated once with a mapping; a plan that the app changes is translated anew', t => {
  const changed = planOf(is('in', 'attributes.owner', ['a', 'b'])) as unknown as { condition: { value: Array<{ value: unknown }> } } & Plan
  const frozen = planOf(is('eq', 'attributes.owner', 'a'))
  const deep = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return
    Object.freeze(value)
    Object.values(value).forEach(deep)
  }
  for (const select of [kyselySelect(tasks({ database: 'sqlite' }), 'sqlite'), knexSelect(tasks({ database: 'sqlite' }), 'better-sqlite3')]) {
    const before = select(changed)
    changed.condition.value[1]!.value = ['c', 'd']
    t.same(before.values.slice(1), ['a', 'b'])
    t.same(select(changed).values.slice(1), ['c', 'd'])
    changed.condition.value[1]!.value = ['a', 'b']
    // The plan itself cannot be changed any more, but its condition can.
    const shallow = Object.freeze({ ...planOf(is('eq', 'attributes.owner', 'a')) }) as typeof changed
    select(shallow)
    shallow.condition.value[1]!.value = 'b'
    t.equal(select(shallow).values.at(-1), 'b')
  }
  deep(frozen)
  const one = kyselySelect(tasks({ database: 'sqlite' }), 'sqlite')
  t.same(one(frozen), one(frozen))
  const other = kyselySelect(tasks({ database: 'postgresql' }), 'postgresql')
  t.not(other(frozen).sql, one(frozen).sql, 'another mapping has its own')
  t.end()
})
