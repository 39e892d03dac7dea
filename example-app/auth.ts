// Authentication: users log in and get a token that identifies them. It does not decide what they may do.
import { randomBytes } from 'node:crypto'
import jwt from '@fastify/jwt'
import { Type, type FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import fp from 'fastify-plugin'
import { findPerson } from './people.js'
import { Refusal } from './refusal.js'

declare module '@fastify/jwt' {
  interface FastifyJWT {
    payload: { sub: string }
    user: { sub: string }
  }
}

const auth: FastifyPluginAsyncTypebox = async app => {
  await app.register(jwt, {
    // Without JWT_SECRET, a restart logs everyone out.
    secret: process.env.JWT_SECRET || randomBytes(32).toString('hex'),
    sign: { expiresIn: '1h' }
  })

  // An invalid token is refused here. Without a token, `request.user` stays empty, and guarded routes answer 401.
  app.addHook('onRequest', async request => {
    if (request.headers.authorization !== undefined) await request.jwtVerify()
  })

  app.post('/login', {
    config: { permit: false },
    schema: {
      summary: 'Log in',
      body: Type.Object({ email: Type.String(), password: Type.String() }),
      response: { 200: Type.Object({ token: Type.String() }), 401: Refusal }
    }
  }, async ({ body }, reply) => {
    const person = findPerson(body.email, body.password)
    if (person === undefined) {
      return reply.code(401).send({ statusCode: 401, error: 'Unauthorized', message: 'Wrong email or password.' })
    }
    return { token: app.jwt.sign({ sub: person.email }) }
  })
}

export default fp(auth, { name: 'auth' })
