// Replays curl lines, as a document or a program prints them, with fetch: machines with Node may lack curl and a shell.
import { execFileSync } from 'node:child_process'

export interface CurlAnswer {
  readonly status: number
  readonly body: string
}

/** Words of a shell's line: quotes as in a shell, `$NAME` replaced outside of single ones. */
export function shellWords (line: string, variables: ReadonlyMap<string, string> = new Map()): string[] {
  const words: string[] = []
  for (const match of line.matchAll(/(?:'[^']*'|"(?:\\.|[^"\\])*"|[^\s'"])+/g)) {
    words.push(match[0].replaceAll(/'([^']*)'|"((?:\\.|[^"\\])*)"|([^'"]+)/g, (_all, single?: string, double?: string, bare?: string) =>
      single ?? (double?.replaceAll(/\\(.)/g, '$1') ?? bare ?? '').replaceAll(/\$(\w+)/g, (_name, name: string) => {
        const value = variables.get(name)
        if (value === undefined) throw new Error(`$${name} is used before it is set: ${line}`)
        return value
      })))
  }
  return words
}

/** Runs `curl …`. Knows the options -s, -H, -d, -u and -X. */
export async function curl (line: string, variables?: ReadonlyMap<string, string>): Promise<CurlAnswer> {
  const [command, ...words] = shellWords(line, variables)
  if (command !== 'curl') throw new Error(`not a curl line: ${line}`)
  const headers = new Headers()
  let url: string | undefined
  let method: string | undefined
  let body: string | undefined
  while (words.length > 0) {
    const word = words.shift() as string
    if (word === '-s') continue
    if (word === '-H') {
      const [, name, value] = /^([\w-]+): (.*)$/.exec(words.shift() as string) ?? []
      headers.append(name as string, value as string)
    } else if (word === '-u') headers.append('authorization', `Basic ${btoa(words.shift() as string)}`)
    else if (word === '-d') body = words.shift()
    else if (word === '-X') method = words.shift()
    else if (word.startsWith('-')) throw new Error(`the curl option ${word} is not known here: ${line}`)
    else url = word
  }
  const answer = await fetch(url as string, { method: method ?? (body === undefined ? 'GET' : 'POST'), headers, body })
  return { status: answer.status, body: await answer.text() }
}

/** Runs `NAME=$(curl … | node -pe '…')`; undefined when the line is another one. */
export async function assignment (line: string): Promise<{ name: string, value: string } | undefined> {
  const [, name, curlLine, expression] = /^(\w+)=\$\((curl .+) \| node -pe '([^']+)'\)$/.exec(line) ?? []
  if (name === undefined) return undefined
  const { body } = await curl(curlLine as string)
  return { name, value: execFileSync(process.execPath, ['-pe', expression as string], { input: body, encoding: 'utf8' }).trim() }
}
