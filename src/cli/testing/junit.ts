// Results of `fastify-permit test` as JUnit XML, which CI servers display.
import { markupText } from '../../kit/escape-markup.js'

/** The result of one expectation. */
export interface JunitCase {
  readonly name: string
  /** Line in the file, from 1. */
  readonly line: number
  /** Why it failed; undefined when it passed. */
  readonly failure?: string
}

/** Writes the report, with a suite for each file. */
export function junitOf (suites: ReadonlyArray<{ readonly file: string, readonly cases: readonly JunitCase[] }>): string {
  const count = (cases: readonly JunitCase[]): string =>
    `tests="${cases.length}" failures="${cases.filter(({ failure }) => failure !== undefined).length}"`
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites name="fastify-permit test" ${count(suites.flatMap(({ cases }) => cases))}>`,
    ...suites.flatMap(({ file, cases }) => [
      `  <testsuite name="${markupText(file)}" ${count(cases)}>`,
      ...cases.map(({ name, line, failure }) => {
        const opened = `    <testcase name="${markupText(name)}" classname="${markupText(file)}" file="${markupText(file)}" line="${line}"`
        return failure === undefined ? `${opened}/>` : `${opened}><failure message="${markupText(failure)}"/></testcase>`
      }),
      '  </testsuite>'
    ]),
    '</testsuites>',
    ''
  ].join('\n')
}
