// Generates code with the exports of a module of schemas. The code needs neither TypeBox nor `new Function`.
import { Code, Validator } from 'typebox/compile'

/** The part of TypeBox's library that its generated code uses, written here so that the library is not loaded. */
const GUARD = 'const Guard = { CodePointCount: text => Array.from(text).length }'

/** The only allowed refinement of schemas. Its code is copied, so it must not use anything of its module. */
const REFINEMENTS = new Map([["value => typeof value === 'function'", "{ check: value => typeof value === 'function' }"]])

/**
 * Generates the code of a module.
 * @param exports - the exports of the original module: schemas, checkers, texts, and objects of these
 * @param {readonly string[]} unread - texts of schemas that are left out, by their names
 */
export function codeOf (exports, file, unread = []) {
  const checkers = []
  const lines = Object.entries(exports)
    .map(([name, value]) => `export const ${name} = ${literal(value, checkers, `${file}: ${name}`, unread)}`)
  const code = checkers.join('\n')
  return [...code.includes('Guard.') ? [GUARD] : [], code, ...lines, ''].join('\n')
}

function literal (value, checkers, where, unread) {
  if (value instanceof Validator) return `{ Check: ${checkerOf(value, checkers, where)} }`
  if (value === null || ['string', 'number', 'boolean'].includes(typeof value)) return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map(item => literal(item, checkers, where, unread)).join(', ')}]`
  if (typeof value === 'object') {
    const read = Object.entries(value).filter(([key, item]) => typeof item !== 'string' || !unread.includes(key))
    return `{ ${read.map(([key, item]) => `${JSON.stringify(key)}: ${literal(item, checkers, where, unread)}`).join(', ')} }`
  }
  throw new Error(`${where} is a ${typeof value}; a module that imports TypeBox exports schemas, checkers and texts only`)
}

/** Adds the functions of a checker, and returns the name of its check function. */
function checkerOf (validator, checkers, where) {
  const { Code: code, External: { variables } } = Code(validator.Type())
  const index = checkers.length
  const functions = code.split('\n').filter(line => line.startsWith('const check_'))
  const used = functions.join('\n')
  if (!code.endsWith('export function Check(value) { return check_0(value) }')) {
    throw new Error(`${where}: TypeBox's generated code has an unexpected end`)
  }
  const references = [...used.matchAll(/\b(Guard|Hashing|CheckContext)\.?(\w*)/g)]
  const unknown = references.find(([, holder, name]) => holder !== 'Guard' || name !== 'CodePointCount')
  if (unknown !== undefined) throw new Error(`${where} needs ${unknown[0]} of TypeBox, which is not supported here`)
  const external = variables.map(variable => {
    if (variable instanceof RegExp) return String(variable)
    const refinement = REFINEMENTS.get(String(variable.check))
    if (refinement === undefined) throw new Error(`${where} has an unknown refinement: ${String(variable.check)}`)
    return refinement
  })
  checkers.push([
    `const checker_${index} = /* @__PURE__ */ (() => {`,
    `  const External = [${external.join(', ')}]`,
    ...functions.map(line => `  ${line}`),
    '  return check_0',
    '})()'
  ].join('\n'))
  return `checker_${index}`
}
