// The process that opens damaged folders: one folder a line on stdin, what came of it a line on stdout. If it dies, the folder that it began is to blame.
import { writeSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'
import type * as Sources from '../../src/environment/environment.js'
import { built } from '../support/built.js'

const { Environment } = await import(pathToFileURL(built('environment.js')).href) as typeof Sources

for await (const folder of createInterface({ input: process.stdin })) {
  writeSync(1, `${JSON.stringify(await attempt(folder))}\n`)
}

/** Opens the folder, writes to it, and opens it again. */
async function attempt (data: string): Promise<object> {
  try {
    const environment = await Environment.open({ data })
    const users = Array.from(environment.engine.facts.users(), ({ key, attributes }) => [key, attributes?.['version']]).sort()
    const assignments = Array.from(environment.engine.facts.roleAssignments(), ({ user, role, tenant }) => [user, role, tenant]).sort()
    await environment.write(facts => { for (let n = 0; n < 50; n++) facts.syncUser({ key: `later${n}`, attributes: { text: 'x'.repeat(n * 20) } }) })
    await environment.close()
    const again = await Environment.open({ data })
    const count = again.engine.facts.userCount
    await again.close()
    return { users, assignments, again: count === users.length + 50 }
  } catch (error) {
    const { code, message } = error as { code?: string, message: string }
    return { code, message }
  }
}
