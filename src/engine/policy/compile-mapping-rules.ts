// Compiles URL mapping rules, and reports those that could never match or would match more than they say.

import { blockOf, blocksOf, entriesOf, isText } from './document.js'
import { linearRegExp } from '../../kit/linear-regexp.js'
import { suggest } from '../../kit/suggest.js'
import { urlTemplate, type CompiledMappingRule, type UrlMapping } from '../decide/url-mapping.js'
import type { Compilation, Path } from './compilation.js'
import type { PolicyMappingRule } from './policy.js'

const METHODS = ['get', 'post', 'put', 'patch', 'delete', 'head', 'options']

/** The rules of all proxy configurations, by method. */
export function compileMappingRules (compilation: Compilation): UrlMapping {
  const all: Array<{ readonly method: string, readonly priority: number, readonly rule: CompiledMappingRule }> = []
  for (const [key, config] of entriesOf(compilation.policy.proxy_configs)) {
    for (const [index, rule] of blocksOf(blockOf(config).mapping_rules)) {
      const method = isText(rule.http_method) ? rule.http_method.toLowerCase() : ''
      const compiled = compileRule(compilation, rule, method, ['proxy_configs', key, 'mapping_rules', index])
      if (compiled !== undefined) all.push({ method, priority: rule.priority ?? 0, rule: compiled })
    }
  }
  const mapping = new Map<string, CompiledMappingRule[]>()
  // Of equal priorities, the first rule counts.
  for (const { method, rule } of all.sort((a, b) => b.priority - a.priority)) {
    const rules = mapping.get(method)
    if (rules === undefined) mapping.set(method, [rule])
    else rules.push(rule)
  }
  return mapping
}

function compileRule (
  compilation: Compilation, rule: Partial<PolicyMappingRule>, method: string, path: Path
): CompiledMappingRule | undefined {
  const { url, resource, action = method } = rule
  if (Object.keys(blockOf(rule.headers)).length > 0) {
    compilation.problem([...path, 'headers'], 'a PDP sees no headers, so the rule would hold for every request', 'remove it')
  }
  if (isText(rule.http_method) && !METHODS.includes(method)) {
    compilation.problem([...path, 'http_method'], `'${rule.http_method}' is not a method`, suggest(method, METHODS, ''))
  }
  const type = isText(resource) ? compilation.type(resource, [...path, 'resource']) : undefined
  const permission = type === undefined || !isText(action)
    ? undefined
    : compilation.action(type, action, [...path, rule.action === undefined ? 'http_method' : 'action'])
  const pattern = isText(url) ? compilePattern(compilation, rule, url, [...path, 'url']) : undefined
  if (type === undefined || permission === undefined || pattern === undefined) return undefined
  return { type: type.key, action: permission.action, pattern, place: path }
}

function compilePattern (
  compilation: Compilation, rule: Partial<PolicyMappingRule>, url: string, path: Path
): CompiledMappingRule['pattern'] | undefined {
  if (rule.url_type === 'regex') {
    try {
      return { kind: 'expression', expression: linearRegExp(url) }
    } catch (error) {
      compilation.problem(path, `the expression cannot be used: ${(error as Error).message}`, 'write it in the syntax of RE2')
      return undefined
    }
  }
  const wrong = url.split(/[/?&=#]/).find(part => /[{}]/.test(part) && !/^\{[^{}]+\}$/.test(part))
  if (wrong !== undefined) {
    const hint = 'a {name} stands for a whole segment of the path, or for a whole value of the query'
    compilation.problem(path, `'${wrong}' is neither a text nor a {name}`, hint)
  }
  const [, query = ''] = url.split('?', 2)
  const names = url.split(/[/?&=#]/).filter(part => part.startsWith('{'))
  const twice = duplicateIn(names) ?? duplicateIn([...new URLSearchParams(query)].map(([name]) => name))
  if (twice !== undefined) {
    const hint = 'each {name} becomes an attribute, and only one of its values would count: give each a name of its own'
    compilation.problem(path, `'${twice}' is in it twice`, hint)
  }
  if (!/^https?:\/\/[^/?#{}]+/i.test(url)) {
    compilation.problem(path, `'${url}' can never match`, 'write the whole URL, such as https://api.acme.com/tasks/{id}')
  }
  return urlTemplate(url)
}

function duplicateIn (texts: readonly string[]): string | undefined {
  return texts.find((text, index) => texts.indexOf(text) !== index)
}
