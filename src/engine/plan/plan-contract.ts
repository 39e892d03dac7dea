// What a plan says, exactly: the contract between the planners (the engine and other PDPs) and the targets (SQL, Prisma, MongoDB, arrays).

/**
 * Which rows of a table a user may act on: the answer of `check` for each row, as a condition that a database can evaluate.
 *
 * ## What `check` is asked about a row
 *
 * For each row the plan says what `check(user, action, { type, key, tenant, attributes }, { context })` says, where
 *
 * - `type` and the tenant of the plan are those that were asked about,
 * - `key` is the row's key, as text,
 * - `tenant` is the row's tenant. A row of another tenant than the plan's is never in the plan. A table of one tenant only has the plan's,
 * - `attributes` has every attribute that the condition names, each path for itself (`attributes.address.city` is the attribute `city` in
 *   the object `address`), with the row's value. **Where the row has no value (NULL, or no such member), the value is `null`.** `null` is a
 *   value like others: it is equal to `null`, different from everything else, and has no order.
 *
 *   Two paths of which one is the beginning of the other (`address`, `address.city`) cannot both be columns.
 *
 * Because the row gives each of these attributes, and an attribute that is given wins over one that the PDP has stored with the instance,
 * stored attributes do not change the answer. One case is left: objects are united with stored objects. Where a condition looks at a whole
 * object, and an instance of the type has an object stored under that name, the planner refuses with an error.
 *
 * ## Logic
 *
 * Two-valued. Each comparison is true or false, never unknown: `not` is true exactly when what it holds is false. (SQL's NULL has to be
 * handled by the target: `ne 'x'` is true for NULL, and so is `not (eq 'x')`.)
 */
export type Plan =
  /** Every row of the tenant. A target adds `tenant = …`; only a table of one tenant has no such condition. */
  | PlanOf<'all'>
  /** No row. */
  | PlanOf<'none'>
  /** The rows that meet the condition, which contains the tenant (`{ operator: 'eq', field: 'tenant', value }`). */
  | PlanOf<'some'> & { readonly condition: Condition }

/** The members of every plan. */
export interface PlanOf<Kind extends 'all' | 'none' | 'some'> {
  readonly kind: Kind
  /** The resource type of the rows. */
  readonly type: string
  /** The tenant of the rows. */
  readonly tenant: string
  /**
   * By field, where the policy asks for it: `{ 'attributes.owner': ["set_rules[2]: user set 'staff' on resource set 'own'"] }`. For the
   * error of a target that has no column for the field. At most eight phrases for a field; absent when the PDP does not say.
   */
  readonly sources?: Readonly<Record<string, readonly string[]>>
}

/**
 * A condition on a row: UCAST, the conditions AST of CASL and OPA's tools, as plain objects of its shape (`@ucast/core` has classes of the
 * same shape). Interpreters of UCAST that read `operator`, `field` and `value` can read it. Operators that UCAST does not have are named as
 * in Permit's conditions, so that an interpreter which does not know them fails instead of guessing.
 */
export type Condition = CompoundCondition | FieldCondition

/**
 * `and`: all of them. `or`: one of them. Both have at least two, but for the condition of a match (`any_match` …), which may be `and` of
 * nothing (true) or `or` of nothing (false). `not`: not the one that it has.
 */
export interface CompoundCondition {
  readonly operator: 'and' | 'or' | 'not'
  readonly value: readonly Condition[]
}

/**
 * A comparison of a field of the row with a value or with another field of the row.
 *
 * The field on the left is `key`, `tenant`, `type`, `attributes.<path>` or `relations.<relation>`. Inside of `object_match`, `any_match`
 * and `all_match` it is `item.<path>`: a member of the object, or of the list's item. Paths are names with dots between them.
 *
 * `type` is the row's attribute `type` where the table has a column for it, and the plan's type otherwise: a target without the column
 * decides it by `new Conditions().assume(condition, 'type', plan.type)`. Likewise `tenant` in a table of one tenant.
 *
 * `relations.<relation>` is the key of the instance that is the subject of the relation to the row (`folder_id` for the relation `parent`
 * of documents in folders); NULL where there is none. It occurs only with the option `relations` of `plan`, by which an app says that the
 * column and the PDP's relationship tuples agree.
 */
export interface FieldCondition {
  readonly operator: FieldOperator
  readonly field: string
  readonly value: unknown
}

/**
 * How a comparison reads. `v` is the field's value, `x` the condition's. Whatever is not said to be true is false.
 *
 * Values are JSON: text, number, boolean, `null`, list, object. Equality is that of JSON, without any conversion: `1` and `'1'` differ,
 * text is compared by code units (case and accents count, no Unicode normalisation, no trailing blanks ignored), lists item by item,
 * objects by their members in any order. Order exists between two numbers and between two texts (by UTF-16 code unit), and between nothing
 * else.
 *
 * A missing value makes every comparison false, `ne` included. A row's own fields are never missing (see {@link Plan}); a member
 * `item.<path>` can be.
 *
 * | operator | true when | from the policy's |
 * | --- | --- | --- |
 * | `eq` | `v` equals `x` (`x` may be `null`, a list or an object) | `equals` |
 * | `ne` | `v` is there and does not equal `x` (true for `null` when `x` is not `null`) | `not-equals` |
 * | `lt` `lte` `gt` `gte` | `v` and `x` have this order. `x` is a number or a text | `less-than` …, `between` (both ends) |
 * | `in` | `v` equals an item of the list `x`, which is not empty | `in`; several `eq` |
 * | `contains` | `v` is a text and the text `x` is part of it | `contains` |
 * | `contained` | `v` is a text and is part of the text `x` | `contains` of a known text, with a `ref` to the row |
 * | `array_contains` | `v` is a list and an item equals `x` | `array_contains`; `in` with a `ref` to a list of the row |
 * | `array_subset` | `v` is a list and each item equals an item of the list `x` (true for an empty `v`) | `array_subset` |
 * | `array_superset` | `v` is a list and each item of the list `x` equals an item of it | `array_superset` |
 * | `array_intersect` | `v` is a list and an item equals an item of the list `x` | `array_intersect` |
 * | `spans` | `v` is a list of two numbers or two texts, and `v[0] <= x <= v[1]` | `between` of a known value, with a `ref` to the row |
 * | `object_match` | `v` is an object that meets the condition `x`, whose fields are `item.<path>` | `object_match` |
 * | `any_match` | `v` is a list with an item that is an object and meets the condition `x` | `any_match` |
 * | `all_match` | `v` is a list of nothing but objects that meet the condition `x` (true for an empty list) | `all_match` |
 * | `<operator>_field` | as the operator; `x` is the value of the field named by `value`; false where it is missing | a `ref` to the row |
 *
 * `_field` exists for `eq ne lt lte gt gte in contains array_contains array_subset array_superset array_intersect between`. `between_field`
 * is true when the named field's value is a list of two numbers or two texts, and `v` has an order with both and lies between them, ends
 * included. The name of a field in `value` is `attributes.<path>`, also inside of a match.
 */
export type FieldOperator = ValueOperator | MatchOperator | `${ReferringOperator}_field`

/** Compares with a value. */
export type ValueOperator =
  | 'eq' | 'ne' | 'lt' | 'lte' | 'gt' | 'gte' | 'in' | 'contains' | 'contained'
  | 'array_contains' | 'array_subset' | 'array_superset' | 'array_intersect' | 'spans'

/** Looks into an object or into the objects of a list; the value is a {@link Condition}. */
export type MatchOperator = 'object_match' | 'any_match' | 'all_match'

/** Operators that also compare with another field of the row. */
export type ReferringOperator =
  | 'eq' | 'ne' | 'lt' | 'lte' | 'gt' | 'gte' | 'in' | 'contains'
  | 'array_contains' | 'array_subset' | 'array_superset' | 'array_intersect' | 'between'
