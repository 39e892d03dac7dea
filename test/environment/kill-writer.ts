// The process that the kill test kills: writes facts without end, and says on stdout what it begins and what was acknowledged.
import { writeSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import type * as Sources from '../../src/environment/environment.js'
import { built } from '../support/built.js'
import { killPolicy } from './kill-policy.js'

const { Environment } = await import(pathToFileURL(built('environment.js')).href) as typeof Sources

const [folder = '', round = ''] = process.argv.slice(2)

/** At once, and not into a buffer that dies with the process. A line is shorter than what a pipe takes as a whole. */
function say (...words: string[]): void {
  for (;;) {
    try {
      writeSync(1, `${words.join(' ')}\n`)
      return
    } catch (error) {
      // The pipe is full: whoever reads it is busy.
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
    }
  }
}

const environment = await Environment.open({ policy: killPolicy, data: folder })
say('ready')

/** Each user is created, changed and, two of three, deleted: each time several facts in one write. */
async function writeFor (writer: number): Promise<never> {
  for (let n = 0; ; n++) {
    const user = `u-${round}-${writer}-${n}`
    const document = `document:${user}`
    say('begin', user, '1')
    const { fact } = await environment.write(facts => facts.syncUser({ key: user, attributes: { version: 1 } }, [{ role: 'admin' }, { role: 'viewer', tenant: 'acme' }]))
    say('done', user, '1', fact.id)

    say('begin', user, '2')
    await environment.write(facts => {
      facts.updateUser(user, { attributes: { version: 2 } })
      facts.createRelationshipTuple({ subject: `folder:${user}`, relation: 'parent', object: document, tenant: 'acme' })
      facts.assignRole({ user, role: 'reader', resource_instance: document })
    })
    say('done', user, '2', fact.id)
    if (n % 3 === 0) continue

    say('begin', user, '3')
    await environment.write(facts => {
      facts.deleteUser(user)
      facts.deleteResourceInstance(document)
      facts.deleteResourceInstance(`folder:${user}`)
    })
    say('done', user, '3', fact.id)
  }
}

await Promise.all(Array.from({ length: 8 }, (_, writer) => writeFor(writer)))
