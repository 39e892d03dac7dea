// The tables of a policy as one self-contained HTML file, for people who do not use a terminal.
import { markupText } from '../../kit/escape-markup.js'
import { listOf } from '../../kit/list-names.js'
import { headingOf, SIGNS, type Cell, type PermissionMatrix, type PermissionTable, type TenantTables } from './permission-matrix.js'

const WORDS = { always: 'yes', depends: 'it depends', never: 'no' } as const

// A second line of defense behind the escaping: the page runs no script and loads nothing.
const CONTENT_SECURITY_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"

/** Names in a list; the others are only counted. */
const MAX_NAMES = 50

const STYLE = `
:root { color-scheme: light dark; --line: #d5d8dd; --head: #f1f3f5; --page: #fff; --text: #1c1f23; --faint: #6a7179;
  --always: #0a6b2d; --always-back: #d9f2e1; --depends: #7a4b00; --depends-back: #fdecc8; }
@media (prefers-color-scheme: dark) { :root { --line: #3a4048; --head: #22262b; --page: #16181b; --text: #e6e8ea; --faint: #98a0a8;
  --always: #8ce0a8; --always-back: #12391f; --depends: #f3c874; --depends-back: #40300c; } }
body { margin: 0 auto; max-width: 78rem; padding: 1.5rem; background: var(--page); color: var(--text);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin: 0 0 .25rem; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 .5rem; }
h3 { font-size: 1.05rem; margin: 1.5rem 0 .5rem; }
nav ul, .legend { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; list-style: none; padding: 0; }
.faint { color: var(--faint); }
.scroll { margin: .75rem 0; max-height: 80vh; overflow: auto; border: 1px solid var(--line); border-radius: .4rem;
  width: fit-content; max-width: 100%; }
table { border-collapse: separate; border-spacing: 0; }
caption { text-align: left; padding: .5rem .75rem; font-weight: 600; }
th, td { padding: .35rem .75rem; border-bottom: 1px solid var(--line); text-align: center; }
th { font-weight: 600; background: var(--head); }
thead th { position: sticky; top: 0; z-index: 1; overflow-wrap: anywhere; min-width: 3rem; }
tbody th, thead td { position: sticky; left: 0; text-align: left; font-weight: 500; overflow-wrap: anywhere;
  min-width: 8rem; max-width: 24rem; background: var(--head); }
thead td { top: 0; z-index: 2; }
.sign { display: inline-block; min-width: 1.5em; border-radius: .25rem; font-weight: 700; text-align: center; }
.always .sign { background: var(--always-back); color: var(--always); }
.depends .sign { background: var(--depends-back); color: var(--depends); }
.never .sign { color: var(--faint); }
.words { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
@media print {
  .scroll { max-height: none; overflow: visible; } h2 { break-after: avoid; }
  thead th, tbody th, thead td { position: static; }
}
`

/** The content of the page. */
export interface MatrixPage {
  /** Name of the policy, for the title. */
  readonly policy: string
  readonly matrix: PermissionMatrix
}

/** Writes the page. */
export function matrixHtml ({ policy, matrix: { tenants, roles, resource_roles: resourceRoles, rules } }: MatrixPage): string {
  const sections: Section[] = [
    ...tenants.map((tenant, index) => ({ id: `tenant-${index + 1}`, title: headingOf(tenant), body: tenantSection(tenant) })),
    { id: 'roles', title: 'Roles', body: roleTables(roles, type => `Permissions of roles on every ${type} in their tenant`) },
    {
      id: 'roles-on-resources',
      title: 'Roles on single resources',
      body: roleTables(resourceRoles, type => `Permissions of roles on one ${type}`)
    },
    { id: 'rules', title: 'Rules', body: rules.length === 0 ? '' : `<ul>${rules.map(itemOf).join('')}</ul>\n` }
  ].filter(({ body }) => body !== '')
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${markupText(CONTENT_SECURITY_POLICY)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>${markupText(`Who may do what: ${policy}`)}</title>
<style>${STYLE}</style>
</head>
<body>
<header>
<h1>Who may do what</h1>
<p class="faint">Policy: ${markupText(policy)}. Point at a cell to see the reason.</p>
${legend()}
<nav aria-label="Contents"><ul>${sections.map(({ id, title }) => `<li><a href="#${id}">${markupText(title)}</a></li>`).join('')}</ul></nav>
</header>
<main>
${sections.map(sectionOf).join('\n')}
</main>
</body>
</html>
`
}

interface Section {
  readonly id: string
  readonly title: string
  /** HTML. */
  readonly body: string
}

function sectionOf ({ id, title, body }: Section): string {
  return `<section id="${id}" aria-labelledby="${id}-title">\n<h2 id="${id}-title">${markupText(title)}</h2>\n${body}</section>`
}

function itemOf (text: string): string {
  return `<li>${markupText(text)}</li>`
}

function roleTables (tables: readonly PermissionTable[], captionOf: (type: string) => string): string {
  return tables.map(table => tableOf(captionOf(table.type), 'Role', table)).join('')
}

function tenantSection ({ types, instances, without }: TenantTables): string {
  const tables = [
    ...types.map(table => tableOf(`Every ${table.type}`, 'User', table)),
    ...(instances.length === 0 ? [] : ['<h3>Single resources on which a user has a role</h3>\n']),
    ...instances.map(table => tableOf(table.instance, 'User', table))
  ]
  const rest = without.length === 0 ? '' : `<p class="faint">No permissions here: ${markupText(listOf(without, MAX_NAMES))}</p>\n`
  return tables.join('') + (tables.length + without.length === 0 ? '<p class="faint">The policy has no users.</p>\n' : rest)
}

function tableOf (caption: string, who: string, { actions, rows }: PermissionTable): string {
  const head = actions.map(action => `<th scope="col">${markupText(action)}</th>`).join('')
  const body = rows.map(({ name, cells }) => `<tr><th scope="row">${markupText(name)}</th>${cells.map(cellOf).join('')}</tr>`).join('\n')
  return `<div class="scroll" tabindex="0" role="region" aria-label="${markupText(caption)}">
<table>
<caption>${markupText(caption)}</caption>
<thead><tr><td>${who}</td>${head}</tr></thead>
<tbody>
${body}
</tbody>
</table>
</div>
`
}

function cellOf ({ may, because }: Cell): string {
  const words = markupText(because.length === 0 ? WORDS[may] : `${WORDS[may]}: ${because.join('; ')}`)
  const sign = `<span class="sign" aria-hidden="true">${SIGNS[may]}</span>`
  return `<td class="${may}" title="${words}">${sign}<span class="words">${words}</span></td>`
}

function legend (): string {
  const meanings = {
    always: 'yes, always',
    depends: 'it depends on the resource, on the context, or on a role on single resources',
    never: 'no'
  }
  const items = (Object.keys(SIGNS) as Array<keyof typeof SIGNS>).map(may =>
    `<li class="${may}"><span class="sign" aria-hidden="true">${SIGNS[may]}</span> ${meanings[may]}</li>`)
  return `<ul class="legend" aria-label="Legend">${items.join('')}</ul>`
}
