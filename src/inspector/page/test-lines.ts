// Lines to copy, made from an answer: a test, a request to the PDP, and a call in the app. Texts are quoted by the rules of each language.
import type { InspectorAnswer, InspectorQuestion } from '../inspector-row.js'

/** The kinds of lines. */
export const LINES = {
  test: { title: 'test', of: testOf },
  curl: { title: 'curl', of: curlOf },
  typescript: { title: 'TypeScript', of: typescriptOf }
} as const satisfies Readonly<Record<string, { readonly title: string, readonly of: (answer: InspectorAnswer) => string }>>

export type LinesKind = keyof typeof LINES

/** What stands above lines without the values of the question. */
const HIDDEN = 'The inspector hides attributes and context; they are not in these lines.'

/** An entry of `tests` in permit.test.yaml. JSON is YAML. */
function testOf ({ question, outcome }: InspectorAnswer): string {
  const { user, action, resource, context } = known(question)
  const { type, key, attributes } = resource
  const lines = [
    `- user: ${json({ key: user.key, email: user['email'], attributes: user.attributes })}`,
    `  tenant: ${json(resource.tenant)}`,
    `  resource: ${json({ type, key, attributes })}`,
    ...(context === undefined ? [] : [`  context: ${json(context)}`]),
    `  ${outcome === 'yes' ? 'may' : 'may_not'}: ${json([action])}`
  ]
  return [...(question.hidden ? [`# ${HIDDEN}`] : []), ...lines, ''].join('\n')
}

/** A request to the PDP. The token is that of the shell which runs it. */
function curlOf ({ question }: InspectorAnswer): string {
  const { user, action, resource, context = {} } = known(question)
  const body = json({ user, action, resource, context })
  return [
    ...(question.hidden ? [`# ${HIDDEN}`] : []),
    'curl -s "$PERMIT_PDP_URL/allowed" \\',
    '  -H "authorization: Bearer $PERMIT_API_KEY" -H \'content-type: application/json\' \\',
    `  -d '${body.replaceAll('\'', '\'\\\'\'')}'`,
    ''
  ].join('\n')
}

function typescriptOf ({ question }: InspectorAnswer): string {
  const { user, action, resource, context } = known(question)
  const { key, attributes, email, first_name: firstName, last_name: lastName } = user
  const who = { key, email, firstName, lastName, attributes }
  const given = Object.values(who).filter(value => value !== undefined).length === 1 ? json(key) : json(who)
  const options = context === undefined ? '' : `, ${json({ context })}`
  return [
    ...(question.hidden ? [`// ${HIDDEN}`] : []),
    // As it stands in JSON, this name would set the prototype.
    `const { allow, reason } = await app.permit.explain(${given}, ${json(action)}, ${json(resource)}${options})`
      .replaceAll(/(?<=[{,])"__proto__":/g, '["__proto__"]:'),
    ''
  ].join('\n')
}

/** The question without the values that are hidden. */
function known ({ hidden, user, action, resource, context }: InspectorQuestion): Omit<InspectorQuestion, 'hidden'> {
  if (!hidden) return { user, action, resource, ...(context === undefined ? {} : { context }) }
  const { type, key, tenant } = resource
  return { user: { key: user.key }, action, resource: { type, ...(key === undefined ? {} : { key }), tenant } }
}

/** With escapes for the characters that end a line in some languages and turn the direction of text. */
function json (value: unknown): string {
  return JSON.stringify(value).replace(/[\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g, character =>
    `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
