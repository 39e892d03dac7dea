// Results of `fastify-permit test` as JUnit's XML, which CI servers show.

/** A case of a suite. */
export interface JunitCase {
  readonly name: string
  /** Line in the file, from 1. */
  readonly line: number
  /** Why it failed; it held without one. */
  readonly failure?: string
}

/** The report: a suite for each file. */
export function junitOf (suites: ReadonlyArray<{ readonly file: string, readonly cases: readonly JunitCase[] }>): string {
  const count = (cases: readonly JunitCase[]): string => `tests="${cases.length}" failures="${cases.filter(({ failure }) => failure !== undefined).length}"`
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites name="fastify-permit test" ${count(suites.flatMap(({ cases }) => cases))}>`,
    ...suites.flatMap(({ file, cases }) => [
      `  <testsuite name="${escape(file)}" ${count(cases)}>`,
      ...cases.map(({ name, line, failure }) => {
        const opened = `    <testcase name="${escape(name)}" classname="${escape(file)}" file="${escape(file)}" line="${line}"`
        return failure === undefined ? `${opened}/>` : `${opened}><failure message="${escape(failure)}"/></testcase>`
      }),
      '  </testsuite>'
    ]),
    '</testsuites>',
    ''
  ].join('\n')
}

function escape (text: string): string {
  return text
    // Not even escaped may XML hold these.
    // eslint-disable-next-line no-control-regex
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, '\ufffd')
    .replace(/[&<>"'\n\r\t]/g, character => `&#${character.charCodeAt(0)};`)
}
