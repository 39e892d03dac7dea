// The JSON Schema of test files, for editors.
import { ExpectationsSchema } from './expectations-schema.js'

/** Returns a new JSON Schema of test files, draft 7, which YAML and JSON editors support. */
export function expectationsJsonSchema (): Readonly<Record<string, unknown>> {
  const schema = JSON.parse(JSON.stringify(ExpectationsSchema)) as object
  return { $schema: 'http://json-schema.org/draft-07/schema#', title: 'fastify-permit test file', ...schema }
}
