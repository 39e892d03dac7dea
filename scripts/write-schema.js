// The last step of a build: the JSON Schema of the policy file, for editors, made from the schema that the code checks with.
import { writeFileSync } from 'node:fs'
import { policyJsonSchema } from '../dist/local/policy-schema.js'

writeFileSync(new URL('../dist/permit.schema.json', import.meta.url), `${JSON.stringify(policyJsonSchema(), null, 2)}\n`)
