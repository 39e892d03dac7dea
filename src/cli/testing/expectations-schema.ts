// The schema of test files in TypeBox: the source of the types, the validation and the JSON Schema for editors.
import Type, { type Static } from 'typebox'
import { PolicySchema, type Policy } from '../../engine/policy/policy.js'

const strict = { additionalProperties: false } as const

/** An action in a sentence. The words that join actions, or precede a tenant, are not actions. */
const ACTION = '(?!(?:and|or|not|in)\\s)[^\\s,]+'

/** The actions before the last one: `create and `, `create, delete or `. */
const OTHER_ACTIONS = `(?:(?:${ACTION},\\s*)*${ACTION}\\s+(?:and|or)\\s+|(?:${ACTION},\\s*)+(?:(?:and|or)\\s+)?)?`

/** `ann may not create, retrieve or delete task:1 in tenant2` */
export const SENTENCE_PATTERN = `^\\s*\\S+\\s+may\\s+(?:not\\s+)?${OTHER_ACTIONS}${ACTION}\\s+\\S*[^\\s,](?:\\s+in\\s+\\S+)?\\s*$`

const text = (description: string) => Type.String({ minLength: 1, description })
const values = (description: string) => Type.Record(Type.String(), Type.Unknown(), { description })

const Permission = text('`task:create` for all tasks, `retrieve task:1` for one; beside a `resource` the action alone.')
const permissions = (description: string) => Type.Optional(Type.Array(Permission, { description }))

const User = Type.Union([
  text('Key of the user.'),
  Type.Object({
    key: text('Key of the user.'),
    email: Type.Optional(text('E-mail address: `user.email` in conditions.')),
    attributes: Type.Optional(values('Attributes of the user; they override stored attributes.'))
  }, strict)
], { description: 'The user.' })

const Resource = Type.Union([
  text('A resource type, or an instance: `task`, `task:1`.'),
  Type.Object({
    type: text('Resource type.'),
    key: Type.Optional(text('Key of the instance; without it, the test is about all resources of the type.')),
    attributes: Type.Optional(values('Attributes of the resource; they override stored attributes.'))
  }, strict)
], { description: 'The resource, when `may` and `may_not` list actions only.' })

const Key = text('Key of a row.')

const List = Type.Object({
  action: text('What the user must be allowed to do with a row, such as `retrieve`.'),
  type: text('Resource type of the rows.'),
  exactly: Type.Optional(Type.Array(Key, { description: 'Keys of all rows in the list, in any order.' })),
  contains: Type.Optional(Type.Array(Key, { description: 'Keys of rows that are in the list; there may be others.' })),
  excludes: Type.Optional(Type.Array(Key, { description: 'Keys of rows that are not in the list.' })),
  rows: Type.Optional(Type.Array(Type.Object({
    key: Key,
    tenant: Type.Optional(text('Tenant of the row. Default: the tenant of the test.')),
    attributes: Type.Optional(values('Attributes of the row. One that is missing is `null`, as NULL in a column.'))
  }, strict), { description: 'Rows of the table. Default: the resource instances of the type, with their attributes.' }))
}, { ...strict, description: 'What a list of rows holds, as `plan` makes it.' })

const LongForm = Type.Object({
  name: Type.Optional(text('A description; shown when an expectation fails.')),
  user: User,
  tenant: Type.Optional(text('Tenant. Default: the tenant of the file, or else `default`.')),
  resource: Type.Optional(Resource),
  context: Type.Optional(values('Values for conditions on `context.*`.')),
  now: Type.Optional(text('The time that conditions see as `now`, such as `2027-01-31T18:00:00Z`. Default: that of the file.')),
  may: permissions('What the user may do.'),
  may_not: permissions('What the user may not do.'),
  lists: Type.Optional(Type.Array(List, { description: 'Which rows the user finds in lists.' }))
}, { ...strict, description: 'Several expectations about one user, with attributes for conditions.' })

const facts = PolicySchema.properties

const GivenFacts = Type.Object({
  tenants: facts.tenants,
  users: facts.users,
  role_assignments: facts.role_assignments,
  resource_instances: facts.resource_instances,
  relationship_tuples: facts.relationship_tuples
}, {
  ...strict,
  description: 'Users, tenants, roles and relationships for the tests, added to those of the policy.'
})

const Sentence = Type.String({
  minLength: 1,
  pattern: SENTENCE_PATTERN,
  description: 'A sentence: `<user> may [not] <action> <resource> [in <tenant>]`.'
})

/** The schema of a test file. */
export const ExpectationsSchema = Type.Object({
  tenant: Type.Optional(text('Tenant of tests that name none. Default: `default`.')),
  now: Type.Optional(text('The time that conditions see as `now`, such as `2027-01-31T18:00:00Z`. Default: the time of the run.')),
  given: Type.Optional(GivenFacts),
  tests: Type.Array(Type.Union([
    Sentence,
    LongForm
  ]), { description: 'What users may do, and may not do.' })
}, { ...strict, description: 'Expectations about a policy, for fastify-permit test.' })

/** A test file. */
export type ExpectationsDocument = Static<typeof ExpectationsSchema>
/** A test in the form of a block. */
export type LongExpectation = Static<typeof LongForm>

/** The expectations of a block about a list. */
export type ExpectedList = Static<typeof List>

/** The facts of a policy. */
export type Given = Pick<Policy, 'tenants' | 'users' | 'role_assignments' | 'resource_instances' | 'relationship_tuples'>
