// The words of a mistake come from a walk of our own, the verdict from TypeBox: the two agree, whatever the value is.
import fc from 'fast-check'
import t from 'tap'
import { Compile } from 'typebox/compile'
import { OptionsSchema, optionsChecker } from '../../src/app/options/schema.js'
import { assignmentInput, instanceInput, tenantInput, tupleInput, userInput } from '../../src/app/write/mutation-input-schema.js'
import { schemaMistakes } from '../../src/kit/schema-mistakes.js'
import { LocalPdpOptionsSchema } from '../../src/server/local-pdp-options.js'
import { assertCounted } from '../support/counted.js'

const leaf = fc.oneof(
  fc.constantFrom(undefined, null, true, false, '', 'a', 'default', 'permit', 'authzen', '/updates', 'task:1', 'task', ':', '\u{1f600}', 0, 1, 5, 99, 99.9, -1, 1e9, NaN, Infinity),
  fc.constant(() => {}), fc.string(), fc.double(), fc.integer({ min: -5, max: 100_000 })
)

/** Values that know the schema's own names, so that most of them get deep into it. */
function near (schema: object): fc.Arbitrary<unknown> {
  const names = new Set<string>()
  const collect = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return
    if ('properties' in value) for (const name of Object.keys(value.properties as object)) names.add(name)
    Object.values(value).forEach(collect)
  }
  collect(schema)
  const key = fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...names) }, { weight: 1, arbitrary: fc.constantFrom('__proto__', 'toString', 'length', '0', '') })
  return fc.letrec<{ value: unknown }>(tie => ({
    value: fc.oneof({ maxDepth: 4, withCrossShrink: true }, leaf, fc.dictionary(key, tie('value'), { maxKeys: 4 }), fc.array(tie('value'), { maxLength: 4 }))
  })).value
}

const SHAPES = {
  options: { schema: OptionsSchema, checker: optionsChecker },
  localPdp: { schema: LocalPdpOptionsSchema, checker: Compile(LocalPdpOptionsSchema) },
  user: userInput,
  tenant: tenantInput,
  instance: instanceInput,
  assignment: assignmentInput,
  tuple: tupleInput
}

for (const [name, { schema, checker }] of Object.entries(SHAPES)) {
  t.test(`a value has a mistake exactly when TypeBox refuses it: ${name}`, async t => {
    let refused = 0
    await assertCounted(fc.property(near(schema), value => {
      const isRight = checker.Check(value)
      if (!isRight) refused++
      return isRight === (schemaMistakes(schema, value).length === 0)
    }), { numRuns: 1_000 }, () => {
      t.ok(refused > 0)
    })
  })
}

t.test('each mistake has its path: the unknown or missing property, or the wrong value', async t => {
  t.same(schemaMistakes(userInput.schema, { key: 'a', nam: 1, roles: [{ role: 'x' }, { rol: 'x' }, { role: 'y', tenant: 7 }] }), [
    { kind: 'unknown', path: [], property: 'nam' },
    { kind: 'unknown', path: ['roles', '1'], property: 'rol' },
    { kind: 'missing', path: ['roles', '1'], property: 'role' },
    { kind: 'value', path: ['roles', '2', 'tenant'], property: undefined }
  ])
})
