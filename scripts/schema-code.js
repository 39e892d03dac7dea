// Writes what a module of schemas exports as code that needs neither TypeBox nor `new Function`.
import { Code, Validator } from 'typebox/compile'

/** What TypeBox's code may ask of its library, written so that the library is not loaded. */
const GUARD = 'const Guard = { CodePointCount: text => Array.from(text).length }'

/** The only refinement that schemas may have: it is written down, and must not need anything of its module. */
const REFINEMENTS = new Map([["value => typeof value === 'function'", "{ check: value => typeof value === 'function' }"]])

/**
 * The code of a module with the same exports.
 * @param exports - of a module that exports schemas, checkers, texts, and objects of these
 */
export function codeOf (exports, file) {
  const checkers = []
  const lines = Object.entries(exports).map(([name, value]) => `export const ${name} = ${literal(value, checkers, `${file}: ${name}`)}`)
  const code = checkers.join('\n')
  return [...code.includes('Guard.') ? [GUARD] : [], code, ...lines, ''].join('\n')
}

function literal (value, checkers, where) {
  if (value instanceof Validator) return `{ Check: ${checkerOf(value, checkers, where)} }`
  if (value === null || ['string', 'number', 'boolean'].includes(typeof value)) return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map(item => literal(item, checkers, where)).join(', ')}]`
  if (typeof value === 'object') {
    return `{ ${Object.entries(value).map(([key, item]) => `${JSON.stringify(key)}: ${literal(item, checkers, where)}`).join(', ')} }`
  }
  throw new Error(`${where} is a ${typeof value}; a module that imports TypeBox exports schemas, checkers and texts only`)
}

/** Adds the functions of a checker, and returns the name of the one that checks. */
function checkerOf (validator, checkers, where) {
  const { Code: code, External: { variables } } = Code(validator.Type())
  const index = checkers.length
  const functions = code.split('\n').filter(line => line.startsWith('const check_'))
  const used = functions.join('\n')
  if (!code.endsWith('export function Check(value) { return check_0(value) }')) throw new Error(`${where}: TypeBox's code ends in another way than it did`)
  const unknown = [...used.matchAll(/\b(Guard|Hashing|CheckContext)\.?(\w*)/g)].find(([, holder, name]) => holder !== 'Guard' || name !== 'CodePointCount')
  if (unknown !== undefined) throw new Error(`${where} needs ${unknown[0]} of TypeBox, which is not written down yet`)
  const external = variables.map(variable => {
    if (variable instanceof RegExp) return String(variable)
    const refinement = REFINEMENTS.get(String(variable.check))
    if (refinement === undefined) throw new Error(`${where} has a refinement that is not known: ${String(variable.check)}`)
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
