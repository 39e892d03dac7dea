// JUnit's XML holds names and reasons as text, whatever they contain.
import fc from 'fast-check'
import t from 'tap'
import { junitOf } from '../../../src/cli/testing/junit.js'
import { hostile } from '../../support/hostile.js'

const report = (file: string, name: string, failure: string) => junitOf([{ file, cases: [{ name, line: 1, failure }, { name, line: 2 }] }])

/** What makes the structure of a document: everything but the text in it. */
const structureOf = (xml: string) => xml.replace(/="[^"<>]*"/g, '=""').replace(/>[^<>]+</g, '><')

t.test('no name becomes markup, or a character that XML cannot contain', t => {
  const harmless = structureOf(report('f', 'n', 'x'))
  t.doesNotThrow(() => fc.assert(fc.property(hostile, hostile, hostile, (file, name, failure) => {
    const xml = report(file, name, failure)
    // https://www.w3.org/TR/xml/#charsets, and what only looks like something else
    return structureOf(xml) === harmless && !/(?!\n)[\p{Cc}\p{Cs}\ufffe\uffff\u2028\u202e]/u.test(xml) && !/&(?!#\d+;)/.test(xml)
  }), { numRuns: 1_000 }))
  t.match(report('f', '<a b="&\'">\u0007\n', 'x'), 'name="&#60;a b=&#34;&#38;&#39;&#34;&#62;\\u0007\\u000a"')
  t.end()
})
