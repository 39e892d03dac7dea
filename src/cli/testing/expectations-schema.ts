// What a test file may say: one TypeBox schema, from which the types, the checks and the editors' JSON Schema come.
import Type, { type Static } from 'typebox'
import { PolicySchema, type Policy } from '../../engine/policy/policy.js'

const strict = { additionalProperties: false } as const

/** An action in a sentence; the words that join actions are none, nor is the one before a tenant. */
const ACTION = '(?!(?:and|or|not|in)\\s)[^\\s,]+'

/** Several of them: `create and delete`, `create, delete or list`. */
const OTHER_ACTIONS = `(?:(?:${ACTION},\\s*)*${ACTION}\\s+(?:and|or)\\s+|(?:${ACTION},\\s*)+(?:(?:and|or)\\s+)?)?`

/** `ann may not create, retrieve or delete task:1 in tenant2` */
export const SENTENCE_PATTERN = `^\\s*\\S+\\s+may\\s+(?:not\\s+)?${OTHER_ACTIONS}${ACTION}\\s+\\S*[^\\s,](?:\\s+in\\s+\\S+)?\\s*$`

const text = (description: string) => Type.String({ minLength: 1, description })
const values = (description: string) => Type.Record(Type.String(), Type.Unknown(), { description })

const permissions = (description: string) =>
  Type.Optional(Type.Array(text('`task:create` for every task, `retrieve task:1` for one, and below a `resource` the action alone.'), { description }))

const User = Type.Union([
  text('Key of the user.'),
  Type.Object({
    key: text('Key of the user.'),
    email: Type.Optional(text('E-mail address, `user.email` in conditions.')),
    attributes: Type.Optional(values('Attributes of the user; they win over those that are stored.'))
  }, strict)
], { description: 'Who.' })

const Resource = Type.Union([
  text('A resource type, or an instance: `task`, `task:1`.'),
  Type.Object({
    type: text('Resource type.'),
    key: Type.Optional(text('Key of the instance; every resource of the type without one.')),
    attributes: Type.Optional(values('Attributes of the resource; they win over those that are stored.'))
  }, strict)
], { description: 'What the actions are done to, where `may` and `may_not` name only actions.' })

const LongForm = Type.Object({
  name: Type.Optional(text('What is expected here, in your words; shown when it does not hold.')),
  user: User,
  tenant: Type.Optional(text('Tenant; the file\'s unless told, in the end `default`.')),
  resource: Type.Optional(Resource),
  context: Type.Optional(values('Circumstances, `context.*` in conditions.')),
  may: permissions('What the user may do.'),
  may_not: permissions('What the user may not do.')
}, { ...strict, description: 'Several expectations of one user, with attributes where conditions need them.' })

const facts = PolicySchema.properties

const GivenFacts = Type.Object({
  tenants: facts.tenants,
  users: facts.users,
  role_assignments: facts.role_assignments,
  resource_instances: facts.resource_instances,
  relationship_tuples: facts.relationship_tuples
}, {
  ...strict,
  description: 'Users, tenants, roles and relationships that the tests are about, added to those of the policy.'
})

/** The schema of a test file. */
export const ExpectationsSchema = Type.Object({
  tenant: Type.Optional(text('Tenant of tests that name none; `default` unless told.')),
  given: Type.Optional(GivenFacts),
  tests: Type.Array(Type.Union([
    Type.String({ minLength: 1, pattern: SENTENCE_PATTERN, description: 'A sentence: `<user> may [not] <action> <resource> [in <tenant>]`.' }),
    LongForm
  ]), { description: 'What users may do, and may not.' })
}, { ...strict, description: 'Expectations of a policy, for fastify-permit test.' })

/** A test file. */
export type ExpectationsDocument = Static<typeof ExpectationsSchema>
/** A test that is written as a block. */
export type LongExpectation = Static<typeof LongForm>

/** The facts of a policy, under its own names. */
export type Given = Pick<Policy, 'tenants' | 'users' | 'role_assignments' | 'resource_instances' | 'relationship_tuples'>
