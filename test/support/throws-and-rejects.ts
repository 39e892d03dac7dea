// A process of its own for a test: an annotation whose functions throw and reject in one request, which must not end it.
import Fastify from 'fastify'
import permit, { type Annotation } from '../../src/index.js'

const rejects = async () => { throw new Error('rejects') }
const throws = () => { throw new Error('throws') }

const app = Fastify()
await app.register(permit, { policy: {}, user: () => 'ann' })
const annotations: Annotation[] = [
  { action: 'read', resource: rejects, tenant: throws },
  { action: 'read', resource: rejects, tenant: rejects, context: throws as never },
  { anyOf: [{ action: 'read', resource: rejects, context: throws as never }, { action: 'read', resource: rejects }] }
]
annotations.forEach((annotation, index) => app.get(`/${index}`, { config: { permit: annotation } }, async () => 'ok'))
const statuses: number[] = []
for (let index = 0; index < annotations.length; index++) statuses.push((await app.inject(`/${index}`)).statusCode)
await new Promise(resolve => setTimeout(resolve, 50))
console.log(statuses.join(' '))
await app.close()
