// The JSON Schema that editors complete test files with.
import { ExpectationsSchema } from './expectations-schema.js'

/** The JSON Schema of test files, draft 7, which editors for YAML and JSON understand. A new object each time. */
export function expectationsJsonSchema (): Readonly<Record<string, unknown>> {
  return { $schema: 'http://json-schema.org/draft-07/schema#', title: 'fastify-permit test file', ...JSON.parse(JSON.stringify(ExpectationsSchema)) as object }
}
