// What is printed is what a reader sees, on one line, and text means the same where it is data.
import fc from 'fast-check'
import t from 'tap'
import ts from 'typescript'
import { printable, printableLines } from '../../src/kit/printable.js'
import { emojiLike, hostile, wrongWith } from '../support/hostile.js'

t.test('any text becomes one line without commands, and printing it twice changes nothing', t => {
  t.doesNotThrow(() => fc.assert(fc.property(fc.oneof(hostile, fc.string({ unit: 'binary' })), text => {
    const printed = printable(text)
    // Where a line begins is known to the writer alone.
    return !printed.includes('\n') && wrongWith(`x${printed}`) === undefined && printable(printed) === printed
  }), { numRuns: 2_000 }))
  t.end()
})

t.test('JSON and TypeScript literals keep their meaning', t => {
  t.doesNotThrow(() => fc.assert(fc.property(fc.oneof(hostile, fc.string({ unit: 'binary' })), text => {
    const json = printable(JSON.stringify({ [text]: [text, { a: text }] }))
    const escaped = JSON.stringify(text).slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'")
    const literal = ts.createSourceFile('a.ts', `'${printable(escaped)}'`, ts.ScriptTarget.ES2022, true)
    const [statement] = literal.statements
    const expression = statement !== undefined && ts.isExpressionStatement(statement) ? statement.expression : undefined
    const value = expression !== undefined && ts.isStringLiteral(expression) ? expression.text : undefined
    return JSON.stringify(JSON.parse(json)) === JSON.stringify({ [text]: [text, { a: text }] }) && value === text
  }), { numRuns: 1_000 }))
  t.end()
})

t.test('names in all scripts stay as they are, including emoji', t => {
  const names = ['ada@example.com', 'Zoë', 'Владимир', '李小龍', 'علي', 'ชื่อ', 'नमस्ते', 'e\u0301', '👩‍🚀', '👍🏽', '❤️', '🏳️‍🌈', '👩🏽‍❤️‍👨🏾', '🇪🇺', '1️⃣', '🏴󠁧󠁢󠁥󠁮󠁧󠁿', 'a 👩‍🚀 and 👩‍🚀👩‍🚀', 'C:\\data', '#1', '##', '[x]', '::', '€ 5']
  for (const name of names) t.equal(printable(name), name)
  t.end()
})

t.test('an emoji keeps its invisible parts, and between other characters they are escaped', t => {
  t.doesNotThrow(() => fc.assert(fc.property(emojiLike, text => {
    const printed = printable(text)
    return wrongWith(`x${printed}`) === undefined && printable(printed) === printed
  }), { numRuns: 2_000 }))
  t.equal(printable('👩\u200d🚀\u200d👩\u200d🚀'), '👩\u200d🚀\\u200d👩\u200d🚀', 'a joiner between two emoji')
  t.equal(printable('🚀\ufe0f a\ufe0f'), '🚀\\ufe0f a\\ufe0f', 'a selector after what has one form')
  t.equal(printable('1\ufe0f2'), '1\\ufe0f2')
  t.equal(printable('🚀\u{e0061}\u{e007f}'), '🚀\\udb40\\udc61\\udb40\\udc7f', 'tags that form no flag')
  t.end()
})

t.test('long texts of emoji are printed in the time of other texts', t => {
  for (const text of ['👩\u200d', '1\ufe0f', '👩\u200d🚀', '漢字', '1']) {
    const long = `é\u200d${text.repeat(5_000)}`
    const { user: before } = process.cpuUsage()
    printable(long)
    t.ok((process.cpuUsage().user - before) / 1_000 < 500, text)
  }
  t.end()
})

t.test('characters that look like others are escaped', t => {
  t.equal(printable('a\tb\r\nc'), 'a\\u0009b\\u000d\\u000ac')
  t.equal(printable('ann\u00a0may'), 'ann\\u00a0may')
  t.equal(printable('a\u200bb\u2800\u3164\ufeff\u{e0041}'), 'a\\u200bb\\u2800\\u3164\\ufeff\\udb40\\udc41')
  t.equal(printable('a\u200d'), 'a\\u200d', 'a joiner that joins no emoji')
  t.equal(printable('\ud800'), '\\ud800')
  t.equal(printable(`a${'\u0300'.repeat(6)}`), `a${'\u0300'.repeat(4)}\\u0300\\u0300`)
  t.equal(printable('##[error]x ##vso[a]b ##teamcity[c] ###[d]'), '#\\u0023[error]x #\\u0023vso[a]b #\\u0023teamcity[c] ##\\u0023[d]')
  t.equal(printableLines('a\r\nb\u001b'), 'a\\u000d\nb\\u001b')
  t.end()
})
