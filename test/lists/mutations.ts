// `npm run mutations`: changes the translations of conditions in many ways, one at a time, and counts how many random cases it takes until a row
// shows it. Each change must be caught: otherwise the random comparison of rows would not see that mistake.
/* eslint no-template-curly-in-string: off -- they are sources, with templates in them */
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { join } from 'node:path'
import fc from 'fast-check'
import { citext } from '@electric-sql/pglite/contrib/citext'
import { PGlite } from '@electric-sql/pglite'
import { Query } from 'mingo'
import type { Test } from 'tap'
import type { Plan } from '../../src/contract/plan.js'
import type { Fragment } from '../../src/lists/sql/fragment.js'
import { fields, toPredicate } from '../../src/lists/predicate.js'
import { sqliteFor } from './support/databases.js'
import { prismaFor } from './support/prisma.js'
import { conditionOn, INTEGERS, json, NUMBERS, planOf, TENANT, TEXTS, type Shape } from './support/random.js'

const MOST_CASES = 5_000
const ROWS = 120

/** The file in src/lists/, what is changed there once, and into what. */
type Mutation = readonly [file: string, from: string, to: string]

/** What both databases of SQL share. */
const SQL: readonly Mutation[] = [
  ['sql/where.ts', "case 'all': return this.#tenant(plan.tenant)", "case 'all': return TRUE"],
  ['sql/where.ts', 'return all([this.#tenant(plan.tenant), this.#condition', 'return all([TRUE, this.#condition'],
  ['sql/where.ts', "case 'none': return FALSE", "case 'none': return this.#tenant((plan as { tenant: string }).tenant)"],
  ['sql/where.ts', "case 'and': return all(parts)", "case 'and': return any(parts)"],
  ['sql/where.ts', "case 'or': return any(parts)", "case 'or': return all(parts)"],
  ['sql/where.ts', "case 'not': return not(any(parts))", "case 'not': return any(parts)"],
  ['sql/where.ts', "case 'ne': return not(equal(node, value))", "case 'ne': return equal(node, value)"],
  ['sql/where.ts', "case 'eq': return equal(node, value)", "case 'eq': return not(equal(node, value))"],
  ['sql/where.ts', "case 'in': return isIn(node, listOf(value))", "case 'in': return isIn(node, listOf(value).slice(1))"],
  ['sql/where.ts', "case 'contains': return node.contains(", "case 'contains': return node.isContained("],
  ['sql/where.ts', "case 'contained': return node.isContained(", "case 'contained': return node.contains("],
  ['sql/where.ts', "case 'array_subset': return node.everyItem(", "case 'array_subset': return node.anyItem("],
  ['sql/where.ts', "case 'array_intersect': return node.anyItem(", "case 'array_intersect': return node.everyItem("],
  ['sql/where.ts', "case 'array_superset': return all([", "case 'array_superset': return any(["],
  ['sql/where.ts', "case 'any_match': return node.anyItem(", "case 'any_match': return node.everyItem("],
  ['sql/where.ts', "case 'all_match': return node.everyItem(", "case 'all_match': return node.anyItem("],
  ['sql/where.ts', "if (name === 'eq' && value === null) return isNull()", ''],
  ['sql/where.ts', 'if (value === null) return node.isNull()', 'if (value === null) return not(node.isNull())'],
  ['sql/where.ts', 'node.hasLength(value.length),', ''],
  ['sql/where.ts', 'node.hasMembers(members.length),', ''],
  ['sql/where.ts', "case 'string': return node.isText([value])", "case 'string': return not(node.isText([value]))"],
  ['sql/fragment.ts', 'IS NOT TRUE)`', 'IS FALSE)`'],
  ['sql/fragment.ts', 'sql`((${part}) IS NOT TRUE)`', 'sql`(NOT (${part}))`'],
  ['sql/fragment.ts', "grouped(rest, ' AND ')", "grouped(rest, ' OR ')"],
  ['sql/fragment.ts', "grouped(rest, ' OR ')", "grouped(rest, ' AND ')"],
  ['literals.ts', "lt: '<', lte: '<=', gt: '>', gte: '>='", "lt: '<=', lte: '<=', gt: '>', gte: '>='"],
  ['literals.ts', "lt: '<', lte: '<=', gt: '>', gte: '>='", "lt: '<', lte: '<', gt: '>', gte: '>='"],
  ['literals.ts', "lt: '<', lte: '<=', gt: '>', gte: '>='", "lt: '<', lte: '<=', gt: '<', gte: '>='"],
  ['literals.ts', "lt: '<', lte: '<=', gt: '>', gte: '>='", "lt: '<', lte: '<=', gt: '>', gte: '>'"]
]

const SQLITE: readonly Mutation[] = [
  ...SQL,
  ['sql/sqlite.ts', 'sql`${this.#sql} COLLATE BINARY` }', 'sql`${this.#sql}` }'],
  ['sql/sqlite.ts', "if (type === 'boolean') return not(sql`typeof", "if (type === 'boolean') return (sql`typeof"],
  ['sql/sqlite.ts', "if (type === 'number' || (type === undefined && !isKey)) return sql`(${this.#sql} IS NULL OR", "if (type === 'number') return sql`(${this.#sql} IS NOT NULL OR"],
  ['sql/sqlite.ts', 'return sql`(instr(${this.#writtenText()}, ${text(value)}) > 0)`', 'return sql`(${this.#writtenText()} LIKE \'%\' || ${text(value)} || \'%\')`'],
  ['sql/sqlite.ts', "isNull (): Fragment { return sql`${this.#type} = 'null'` }", 'isNull (): Fragment { return sql`${this.#type} IS NULL` }']
]

/** Without the comparison by COLLATE "C": PGlite has no collation for which different texts are equal, so that nothing would show it. */
const POSTGRESQL: readonly Mutation[] = [
  ...SQL,
  ['sql/postgresql.ts', "raw(value ? 'true' : 'false')", "raw(value ? 'false' : 'true')"],
  ['sql/postgresql.ts', 'return sql`strpos(${this.#text}, ${text(value)}) > 0`', 'return sql`strpos(${text(value)}, ${this.#text}) > 0`'],
  ['sql/postgresql.ts', 'all([sql`${value} IS NOT NULL`, test(new PostgresJson(value, names))])', 'test(new PostgresJson(value, names))'],
  ['sql/postgresql.ts', "isNull (): Fragment { return this.#is('null') }", 'isNull (): Fragment { return sql`${this.#json} IS NULL` }'],
  ['sql/postgresql.ts', "'true'::jsonb\" : \"'false'::jsonb\"", "'false'::jsonb\" : \"'true'::jsonb\""],
  ['sql/postgresql.ts', "raw(closed ? '=' : '')", "raw(closed ? '' : '=')"],
  ['sql/postgresql.ts', "order === 'lt' || order === 'gte' ? low : high", "order === 'lt' || order === 'gte' ? high : low"],
  ['sql/postgresql.ts', '(${this.isList()} AND NOT EXISTS', '(NOT EXISTS'],
  ['sql/postgresql.ts', 'WHERE ${not(test(item))}))`', 'WHERE ${test(item)}))`'],
  ['sql/postgresql.ts', 'jsonb_array_length(${this.#json}) = ', 'jsonb_array_length(${this.#json}) >= '],
  ['sql/postgresql.ts', 'FROM jsonb_object_keys(${this.#json})) = ', 'FROM jsonb_object_keys(${this.#json})) >= ']
]

const PRISMA: readonly Mutation[] = [
  ['prisma.ts', "case 'all': return this.#tenant(plan.tenant)", "case 'all': return EVERYTHING"],
  ['prisma.ts', 'return all([this.#tenant(plan.tenant), this.#condition', 'return all([EVERYTHING, this.#condition'],
  ['prisma.ts', "case 'none': return NOTHING", "case 'none': return this.#tenant((plan as { tenant: string }).tenant)"],
  ['prisma.ts', 'return this.#group(condition.operator, condition.value, holds)', 'return this.#group(condition.operator, condition.value, true)'],
  ['prisma.ts', "this.#group('or', condition.value, !holds)", "this.#group('or', condition.value, holds)"],
  ['prisma.ts', "return (operator === 'and') === holds ? all(parts) : any(parts)", "return operator === 'and' ? all(parts) : any(parts)"],
  ['prisma.ts', "return (operator === 'and') === holds ? all(parts) : any(parts)", 'return all(parts)'],
  ['prisma.ts', "return (operator === 'and') === holds ? all(parts) : any(parts)", 'return any(parts)'],
  ['prisma.ts', "case 'eq': return this.#isIn(column, [value], holds)", "case 'eq': return this.#isIn(column, [value], !holds)"],
  ['prisma.ts', "case 'ne': return this.#isIn(column, [value], !holds)", "case 'ne': return this.#isIn(column, [value], holds)"],
  ['prisma.ts', 'this.#isIn(column, listOf(value), holds)', 'this.#isIn(column, listOf(value).slice(1), holds)'],
  ['prisma.ts', "if (test === 'never') return holds ? NOTHING : EVERYTHING", "if (test === 'never') return NOTHING"],
  ['prisma.ts', '{ OR: [{ NOT: where }, { [column.column]: null }] }', '{ NOT: where }'],
  ['prisma.ts', 'return holds ? any(parts) : all(parts)', 'return any(parts)'],
  ['prisma.ts', '{ [column.column]: holds ? null : { not: null } }', '{ [column.column]: holds ? { not: null } : null }'],
  ['prisma.ts', "isPossible ? { equals: value } : 'never'", "isPossible ? { equals: !value } : 'never'"],
  ['prisma.ts', 'return { [order]: value }', 'return { equals: value }'],
  ['prisma.ts', 'if (holds) return where', 'return where']
]

const MONGO: readonly Mutation[] = [
  ['mongo.ts', "case 'and': return all(parts)", "case 'and': return any(parts)"],
  ['mongo.ts', "case 'or': return any(parts)", "case 'or': return all(parts)"],
  ['mongo.ts', "case 'not': return not(any(parts))", "case 'not': return any(parts)"],
  ['mongo.ts', "case 'ne': return not(this.#equal(column, value))", "case 'ne': return this.#equal(column, value)"],
  ['mongo.ts', 'if (value === null) return this.#isNull(column)', 'if (value === null) return not(this.#isNull(column))'],
  ['mongo.ts', 'const operator = `$${order}`', "const operator = order === 'lt' ? '$lte' : `$${order}`"],
  ['mongo.ts', "case 'array_subset': return this.#everyItem(", "case 'array_subset': return this.#anyItem("],
  ['mongo.ts', "case 'array_intersect': return this.#anyItem(", "case 'array_intersect': return this.#everyItem("],
  ['mongo.ts', "case 'any_match': return this.#anyItem(", "case 'any_match': return this.#everyItem("],
  ['mongo.ts', "case 'all_match': return this.#everyItem(", "case 'all_match': return this.#anyItem("],
  ['mongo.ts', "case 'not': return negated(or(parts))", "case 'not': return or(parts)"],
  ['mongo.ts', "case 'or': return or(parts)", "case 'or': return and(parts)"],
  ['mongo.ts', "case 'and': return and(parts)", "case 'and': return or(parts)"],
  ['mongo.ts', "case 'ne': return negated(equal(found, value))", "case 'ne': return equal(found, value)"]
]

const SHAPE: Shape = {
  key: 'text', 'attributes.name': 'text', 'attributes.level': 'integer', 'attributes.price': 'number', 'attributes.done': 'boolean', 'attributes.data': 'json', 'attributes.data.a': 'json', 'attributes.tags': 'list'
}
const attributes = {
  name: { column: 'name', type: 'text' },
  level: { column: 'level', type: 'integer' },
  price: { column: 'price', type: 'number' },
  done: { column: 'done', type: 'boolean' },
  data: { column: 'data', type: 'json' },
  tags: { column: 'tags', type: 'json' }
} as const
const postgresqlThings = fields({ database: 'postgresql', key: { column: 'id', type: 'text' }, tenant: 'tenant', attributes })
const prismaThings = fields({ database: 'sqlite', key: { column: 'id', type: 'text' }, tenant: 'tenant', attributes })
const sqlThings = fields({ database: 'sqlite', key: { column: 'id', type: 'text' }, tenant: 'tenant', attributes })
const mongoThings = fields({ key: { column: 'id', type: 'text' }, tenant: 'tenant', attributes })

const maybe = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(value, { freq: 5 })
const row = fc.tuple(
  maybe(fc.constantFrom(...TEXTS)), maybe(fc.constantFrom(...INTEGERS)), maybe(fc.constantFrom(...NUMBERS)), maybe(fc.boolean()), maybe(json),
  maybe(fc.array(fc.oneof(fc.constantFrom<unknown>(...TEXTS), fc.constantFrom<unknown>(...NUMBERS), json), { maxLength: 4 }))
)
const values = fc.sample(row, { numRuns: ROWS, seed: 7 })
const documents = values.map(([name, level, price, done, data, tags], index) =>
  ({ id: TEXTS[index] ?? `row ${index}`, tenant: index % 9 === 8 ? 'other' : TENANT, name, level, price, done, data, tags }))
const rows = documents.map(({ done, data, tags, ...others }) => ({
  ...others, done: done === null ? null : Number(done), data: data === null ? null : JSON.stringify(data), tags: tags === null ? null : JSON.stringify(tags)
}))
const plain: Plan = { kind: 'all', type: 'thing', tenant: TENANT }
// mingo looks up no such name; MongoDB does.
const plansOn = (shape: Shape): readonly Plan[] => {
  const conditions = conditionOn(shape, false).filter(condition => !JSON.stringify(condition).includes('__proto__'))
  return [plain, { ...plain, kind: 'none' } as Plan, ...fc.sample(conditions, { numRuns: MOST_CASES, seed: 11 }).map(planOf)]
}
const PLANS = plansOn(SHAPE)
/** Prisma refuses what reads lists and objects. */
const WITHOUT_JSON = plansOn(Object.fromEntries(Object.entries(SHAPE).filter(([, kind]) => kind !== 'json' && kind !== 'list')))

const sources = fileURLToPath(new URL('../../src', import.meta.url))
const mutants = fileURLToPath(new URL('../../node_modules/.cache/mutants', import.meta.url))

/** A copy of the sources with the mutation. Undefined mutation: the sources as they are. */
function mutant (number: number, mutation: Mutation | undefined): string {
  const folder = join(mutants, String(number))
  for (const part of ['lists', 'contract', 'kit']) cpSync(join(sources, part), join(folder, part), { recursive: true })
  if (mutation !== undefined) {
    const [file, from, to] = mutation
    const path = join(folder, 'lists', file)
    const text = readFileSync(path, 'utf8')
    if (!text.includes(from)) throw new Error(`${file} has no ${JSON.stringify(from)} any more: say what to change in its place`)
    writeFileSync(path, text.replace(from, () => to))
  }
  return folder
}

const isRefusal = (error: unknown): boolean => (error as { code?: unknown }).code === 'FST_PERMIT_TRANSLATION'
const ids = (list: ReadonlyArray<{ id?: unknown }>): string => JSON.stringify(list.map(({ id }) => String(id)).sort())

type Select = (plan: Plan) => Promise<ReadonlyArray<{ id?: unknown }>>

/** The number of cases until the rows differ, or the database rejects the statement; undefined when they never do. */
async function casesUntilSeen (select: Select, expected: (plan: Plan) => string, plans: readonly Plan[]): Promise<number | undefined> {
  for (const [index, plan] of plans.entries()) {
    try {
      if (ids(await select(plan)) !== expected(plan)) return index + 1
    } catch (error) {
      if (!isRefusal(error)) return index + 1
    }
  }
  return undefined
}

const endings: Array<() => unknown> = []
const database = sqliteFor({ teardown: (run: () => unknown) => { endings.push(run) } } as unknown as Test)
// Compared without case by the column itself, so that a missing collation is seen.
await database.all('CREATE TABLE things (id TEXT PRIMARY KEY, tenant TEXT, name TEXT COLLATE NOCASE, level INTEGER, price REAL, done BOOLEAN, data TEXT, tags TEXT)')
for (const { id, tenant, name, level, price, done, data, tags } of rows) await database.all('INSERT INTO things VALUES (?, ?, ?, ?, ?, ?, ?, ?)', [id, tenant, name, level, price, done, data, tags])
const stored = await database.all('SELECT * FROM things')

const postgresql = await PGlite.create({ extensions: { citext } })
await postgresql.exec('CREATE EXTENSION citext; CREATE TABLE things (id text PRIMARY KEY, tenant text, name citext, level bigint, price double precision, done boolean, data jsonb, tags jsonb)')
for (const { id, tenant, name, level, price, done, data, tags } of documents) {
  const [json, list] = [data, tags].map(value => value === null ? null : JSON.stringify(value))
  await postgresql.query('INSERT INTO things VALUES ($1, $2, $3, $4, $5, $6, $7::text::jsonb, $8::text::jsonb)', [id, tenant, name, level, price, done, json, list])
}
// JavaScript reads these as the even one of their neighbours, which lies exactly between them.
for (const tie of ['9007199254740993', '9007199254740995', '-9007199254740993']) {
  await postgresql.query('INSERT INTO things (id, tenant, data) VALUES ($1, $2, $3::text::jsonb)', [`tie ${tie}`, TENANT, tie])
}
const storedInPostgresql = (await postgresql.query<Record<string, unknown>>('SELECT * FROM things')).rows

// Prisma compares by the column's collation, so its table has none.
await database.all('CREATE TABLE plain (id TEXT PRIMARY KEY, tenant TEXT NOT NULL, name TEXT, level INTEGER, price REAL, done BOOLEAN)')
for (const { id, tenant, name, level, price, done } of rows) {
  // Prisma does not hand on the largest numbers as they are.
  await database.all('INSERT INTO plain VALUES (?, ?, ?, ?, ?, ?)', [id, tenant, name, level, Math.abs(price ?? 0) < 1.79e308 ? price : null, done])
}
const storedForPrisma = await database.all('SELECT * FROM plain')
const client = prismaFor(database, 'sqlite', `model Thing {
  id     String   @id
  tenant String
  name   String?
  level  BigInt?
  price  Float?
  done   Boolean?
  @@map("plain")
}`, [
  { name: 'id', type: 'String' }, { name: 'tenant', type: 'String' }, { name: 'name', type: 'String' }, { name: 'level', type: 'BigInt' },
  { name: 'price', type: 'Float' }, { name: 'done', type: 'Boolean' }
])

/** What random conditions ask too seldom. */
const TIES = [2 ** 53, 2 ** 53 + 4].map(value => planOf({ operator: 'eq', field: 'attributes.data', value }))

const TARGETS = {
  SQLite: {
    mutations: SQLITE,
    expected: (plan: Plan) => ids(stored.filter(toPredicate(plan, sqlThings))),
    async select (folder: string): Promise<Select> {
      const { whereOf } = await import(pathToFileURL(join(folder, 'lists/sql/where.ts')).href) as { whereOf: (target: string, plan: Plan, things: typeof sqlThings, database: 'sqlite') => Fragment<string> }
      return async plan => {
        const { pieces } = whereOf('mutant', plan, sqlThings, 'sqlite')
        const text = pieces.map(piece => typeof piece === 'string' ? piece : 'value' in piece ? '?' : `"${piece.column}"`).join('')
        return database.all(`SELECT id FROM things WHERE ${text}`, pieces.flatMap(piece => typeof piece !== 'string' && 'value' in piece ? [piece.value] : []))
      }
    }
  },
  PostgreSQL: {
    mutations: POSTGRESQL,
    expected: (plan: Plan) => ids(storedInPostgresql.filter(toPredicate(plan, postgresqlThings))),
    async select (folder: string): Promise<Select> {
      const { whereOf } = await import(pathToFileURL(join(folder, 'lists/sql/where.ts')).href) as { whereOf: (target: string, plan: Plan, things: typeof postgresqlThings, database: 'postgresql') => Fragment<string> }
      return async plan => {
        const { pieces } = whereOf('mutant', plan, postgresqlThings, 'postgresql')
        const values = pieces.flatMap(piece => typeof piece !== 'string' && 'value' in piece ? [piece.value] : [])
        let place = 0
        const text = pieces.map(piece => typeof piece === 'string' ? piece : 'value' in piece ? `$${++place}` : `"${piece.column}"`).join('')
        return (await postgresql.query<{ id: string }>(`SELECT id FROM things WHERE ${text}`, values)).rows
      }
    }
  },
  Prisma: {
    mutations: PRISMA,
    expected: (plan: Plan) => ids(storedForPrisma.filter(toPredicate(plan, prismaThings))),
    async select (folder: string): Promise<Select> {
      const { toPrisma } = await import(pathToFileURL(join(folder, 'lists/prisma.ts')).href) as { toPrisma: (plan: Plan, things: typeof prismaThings) => object }
      return async plan => client.thing.findMany({ where: toPrisma(plan, prismaThings), select: { id: true } })
    }
  },
  MongoDB: {
    mutations: MONGO,
    expected: (plan: Plan) => ids(documents.filter(toPredicate(plan, mongoThings))),
    async select (folder: string): Promise<Select> {
      const { toMongo } = await import(pathToFileURL(join(folder, 'lists/mongo.ts')).href) as { toMongo: (plan: Plan, things: typeof mongoThings) => object }
      return async plan => {
        const query = new Query(toMongo(plan, mongoThings) as never)
        return documents.filter(document => query.test(document))
      }
    }
  }
}

mkdirSync(mutants, { recursive: true })
let number = 0
try {
  for (const [name, { mutations, expected, select }] of Object.entries(TARGETS)) {
    if (process.argv.length > 2 && !process.argv.includes(name)) continue
    const plans = name === 'Prisma' ? WITHOUT_JSON : name === 'PostgreSQL' ? [...PLANS.slice(0, 900), ...TIES, ...PLANS.slice(900)] : PLANS
    const unchanged = await casesUntilSeen(await select(mutant(number++, undefined)), expected, plans.slice(0, 1_000))
    if (unchanged !== undefined) throw new Error(`${name}: the translation as it is differs in case ${unchanged}: ${JSON.stringify(plans[unchanged - 1])}`)
    const seen: number[] = []
    for (const mutation of mutations) {
      const cases = await casesUntilSeen(await select(mutant(number++, mutation)), expected, plans)
      if (cases !== undefined) seen.push(cases)
      else {
        process.exitCode = 1
        console.log(`${name}: not caught in ${MOST_CASES} cases: ${JSON.stringify(mutation)}`)
      }
    }
    seen.sort((one, other) => one - other)
    console.log(`${name}: ${seen.length} of ${mutations.length} mutations are caught, half of them within ${seen[seen.length >> 1]} random cases, all within ${seen.at(-1)}; the translation as it is differs in none of 1000`)
  }
} finally {
  rmSync(mutants, { recursive: true, force: true })
  await client.$disconnect()
  await postgresql.close()
  for (const run of endings) run()
}
