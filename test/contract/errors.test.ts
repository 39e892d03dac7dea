// Messages of errors and log lines are printable and have one line, whatever a request, a policy or a PDP contains. The kind: loggers for
// people print a message as it is, so a line break in a name would forge a line of the log.
import type { FastifyRequest } from 'fastify'
import fc from 'fast-check'
import t from 'tap'
import {
  AnnotationError, DataError, MutationError, OptionsError, PdpError, PolicyFileError, QueryError, UndeclaredRouteError, UnsupportedError,
  WriteError
} from '../../src/contract/errors.js'
import { FactsError } from '../../src/engine/facts/fact.js'
import { PolicyError } from '../../src/engine/policy/problems.js'
import permit from '../../src/index.js'
import { fastifyFor, guardedApp, logSink, pdpFor } from '../support/app.js'
import { hostile, wrongWith } from '../support/hostile.js'

const PROGRESS = { index: 0, applied: [], partly: undefined, cause: undefined }

t.test('every error that quotes something has a message of one printable line', t => {
  t.doesNotThrow(() => fc.assert(fc.property(hostile, text => {
    const errors = [
      ...[AnnotationError, MutationError, OptionsError, QueryError, UnsupportedError].map(Class => new Class(`a ${text}`)),
      new WriteError(text, PROGRESS), new PdpError('answer', `a ${text}`), new FactsError('invalid', `a ${text}`)
    ]
    return errors.every(({ message, stack = '' }) => !message.includes('\n') && wrongWith(message) === undefined &&
      stack.split('\n').slice(1).every(line => line.startsWith('    at ')))
  })))
  // These have a line for each problem; a name cannot add one.
  t.doesNotThrow(() => fc.assert(fc.property(hostile, text => {
    const problems = [{ path: ['a', text], message: text, hint: text, file: text, line: 1 }, { path: [], message: text, hint: '' }]
    const { message } = new PolicyError(problems)
    return message.split('\n').length === 3 && wrongWith(message) === undefined &&
      [PolicyFileError, DataError, UndeclaredRouteError].every(Class => new Class(message).message === message)
  })))
  t.end()
})

t.test('an error that quotes something keeps its code, status, cause and stack', t => {
  const cause = new Error('x')
  const error = new QueryError('100 %s', { cause })
  t.match(error, { code: 'FST_PERMIT_QUERY', statusCode: 500, message: '100 %s', name: 'FastifyError', cause })
  t.equal(error.cause, cause)
  t.ok(error instanceof QueryError)
  t.notOk(error instanceof MutationError)
  t.match(error.stack?.split('\n')[1], /errors\.test\.[jt]s/)
  t.match(new WriteError('x', PROGRESS).stack?.split('\n')[1], /errors\.test\.[jt]s/)
  t.end()
})

/** What is said by log lines: their messages, and those of the errors in them. */
function saidBy (lines: ReadonlyArray<Record<string, unknown>>): string[] {
  return lines.flatMap(({ msg, err, permit }) => {
    const { message, stack } = (err ?? {}) as { message?: string, stack?: string }
    const { reason } = (permit ?? {}) as { reason?: string }
    return [msg as string, message, stack?.replace(/^ {4}at .*$/gm, ''), reason].filter(text => text !== undefined)
  })
}

t.test('content of requests cannot break out of a log line', async t => {
  const log = logSink()
  const { app } = await guardedApp(t, {}, {}, { logger: log.logger })
  const resource = (request: FastifyRequest) => (request.query as { a: string }).a
  app.get('/by-function', { config: { permit: { action: 'read', resource } } }, async () => 'in')
  app.get('/by-handler', { config: { permit: false } }, async request => app.permit.check('', request.headers['x-a'] as string, 'task'))
  app.get('/by-hand', { config: { permit: false } }, async request => request.permit.check((request.query as { a: string }).a, ':x'))
  await app.ready()
  await fc.assert(fc.asyncProperty(hostile, async text => {
    log.lines.length = 0
    // A lone surrogate has no form in a URL.
    const a = encodeURIComponent(text.replace(/\p{Cs}/gu, '?'))
    const urls = [`/by-function?a=:${a}`, `/by-function?a=${a}:`, `/by-hand?a=${a}`]
    await Promise.all(urls.map(url => app.inject({ url, headers: { 'x-user': 'ann' } })))
    for (const said of saidBy(log.lines)) {
      const wrong = wrongWith(said)
      if (wrong !== undefined) throw new Error(wrong)
    }
  }), { numRuns: 60 })
})

t.test('answers of a PDP cannot break out of a log line', async t => {
  const log = logSink()
  let text = ''
  const pdp = await pdpFor(t, {
    intercept: (request, response) => {
      if (!request.url.includes('facts')) return false
      response.writeHead(422, { 'content-type': 'application/json' }).end(JSON.stringify({ error_code: text, message: text, title: text }))
      return true
    }
  })
  const app = fastifyFor(t, { logger: log.logger })
  await app.register(permit, { pdp: pdp.url, token: pdp.token, user: () => 'ann', retries: 0 })
  app.post('/users', { config: { permit: false } }, async () => app.permit.api.syncUser({ key: 'ann' }))
  await app.ready()
  await fc.assert(fc.asyncProperty(hostile, async answer => {
    log.lines.length = 0
    text = answer
    await app.inject({ method: 'POST', url: '/users' })
    for (const said of saidBy(log.lines)) {
      const wrong = wrongWith(said)
      if (wrong !== undefined) throw new Error(wrong)
    }
  }), { numRuns: 40 })
})
