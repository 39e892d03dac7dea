// The one way to the terminal: a line is a line, colors are the only escape sequences, and no CI server finds a command.
import fc from 'fast-check'
import t from 'tap'
import { faint, jsonLines, maybe, no, strong, yes, type Line, type Span } from '../../../src/cli/terminal/styled-line.js'
import { hostile, wrongWith } from '../../support/hostile.js'
import { terminalFor } from '../in-process.js'

const text = fc.oneof(hostile, fc.constantFrom('', ' ', '#', '##', '[', ':', '::', 'vso', '-', '--', '\u001b[', '32m', '\ud83d', '\udc69'))
const painted = fc.tuple(fc.constantFrom(yes, no, maybe, strong, faint), text).map(([paint, text]) => paint(text))
const span: fc.Arbitrary<Span> = fc.oneof(text, painted)
const line: fc.Arbitrary<Line> = fc.oneof(span, fc.array(span, { maxLength: 6 }))

t.test('the number of lines stays the same, and they contain only text and colors', t => {
  const lines = fc.array(line, { minLength: 1, maxLength: 5 })
  t.doesNotThrow(() => fc.assert(fc.property(lines, fc.boolean(), fc.constantFrom('out', 'err'), (lines, isTTY, name) => {
    const { terminal, said } = terminalFor({ isTTY })
    terminal[name as 'out'](lines)
    const written = said()[name as 'out']
    return wrongWith(written, isTTY) === undefined && written.split('\n').length === lines.length
  }), { numRuns: 3_000, examples: [[['™\ufe0f👩', '1\ufe0f'], true, 'out']] }))
  t.end()
})

t.test('JSON stays the same document, and has no colors', t => {
  t.doesNotThrow(() => fc.assert(fc.property(fc.dictionary(hostile, fc.oneof(hostile, fc.array(hostile), fc.constant(null))), value => {
    const { terminal, said } = terminalFor({ isTTY: true })
    terminal.out(jsonLines(value))
    return wrongWith(said().out) === undefined && JSON.stringify(JSON.parse(said().out)) === JSON.stringify(value)
  }), { numRuns: 500 }))
  t.end()
})

t.test('a command of a CI server is broken up, also when two parts form it', t => {
  const cases: Array<[Line, string]> = [
    ['::error::x', '\\u003a:error::x'],
    [['  ', ':', no(':error::x')], '  \\u003a:error::x'],
    ['a ::error::', 'a ::error::'],
    [['a #', '#[error]x'], 'a #\\u0023[error]x'],
    [['a ##', 'vso', '[x]'], 'a #\\u0023vso[x]'],
    ['--- group', '\\u002d-- group'],
    ['----', '----'],
    ['section_start:1:a', '\\u0073ection_start:1:a']
  ]
  for (const [line, expected] of cases) {
    const { terminal, said } = terminalFor()
    terminal.out([line])
    t.equal(said().out, expected)
    const colored = terminalFor({ isTTY: true })
    colored.terminal.out([line])
    t.equal(wrongWith(colored.said().out, true), undefined)
  }
  t.end()
})

t.test('no lines write nothing, and trailing blanks are removed', t => {
  const { terminal, said } = terminalFor()
  terminal.out([])
  t.same(said(), { out: '', err: '' })
  terminal.out(['a  ', ['b', '  ', yes('   ')], ''])
  t.equal(said().out, 'a\nb\n')
  t.end()
})
