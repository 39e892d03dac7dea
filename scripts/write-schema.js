// The last step of a build: the JSON Schemas of the policy file and of test files, for editors, made from the schemas that the code checks with.
import { writeFileSync } from 'node:fs'
import { expectationsJsonSchema } from '../dist/cli/testing/expectations-json-schema.js'
import { policyJsonSchema } from '../dist/environment/file/policy-schema.js'

for (const [name, schema] of Object.entries({ permit: policyJsonSchema(), 'permit.test': expectationsJsonSchema() })) {
  writeFileSync(new URL(`../dist/${name}.schema.json`, import.meta.url), `${JSON.stringify(schema, null, 2)}\n`)
}
