// The chart of the README: requests per second of one guarded route, by what stands before its handler.
import type { Row } from './http.js'

const WIDTH = 810
const LEFT = 320
const RIGHT = 90
const BAR = 24
const GAP = 10
const TOP = 56

/** A bar for each row, as SVG that reads on light and on dark. */
export function chart (title: string, subtitle: string, rows: readonly Row[]): string {
  const most = Math.max(...rows.map(row => row.requests))
  const height = TOP + rows.length * (BAR + GAP) + 12
  const bars = rows.map((row, index) => {
    const y = TOP + index * (BAR + GAP)
    const width = Math.max(2, Math.round(row.requests / most * (WIDTH - LEFT - RIGHT)))
    const own = row.name.startsWith('permit:')
    const color = row.name === 'bare' ? '#8b949e' : own ? '#2da44e' : '#bf8700'
    return [
      `<text x="${LEFT - 10}" y="${y + 17}" text-anchor="end">${escape(row.name.replace('permit:', 'fastify-permit:'))}</text>`,
      `<rect x="${LEFT}" y="${y}" width="${width}" height="${BAR}" rx="3" fill="${color}"/>`,
      `<text x="${LEFT + width + 8}" y="${y + 17}">${thousands(row.requests)}</text>`
    ].join('\n')
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${escape(title)}" font-family="system-ui, sans-serif" font-size="13">
<style>text { fill: #24292f } @media (prefers-color-scheme: dark) { text { fill: #e6edf3 } }</style>
<text x="12" y="22" font-size="16" font-weight="600">${escape(title)}</text>
<text x="12" y="42" opacity="0.7">${escape(subtitle)}</text>
${bars.join('\n')}
</svg>
`
}

function thousands (value: number): string {
  return Math.round(value).toLocaleString('en-US')
}

function escape (text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/"/g, '&quot;')
}
