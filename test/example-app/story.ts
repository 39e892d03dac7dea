// The example app's people, and what each of them may do, whichever PDP decides.
import type { Test } from 'tap'
import { buildApp } from '../../example-app/app.js'

/** The app in this process, and a way to ask it in the name of its people. */
export async function start (t: Test) {
  const app = await buildApp()
  t.teardown(() => app.close())

  async function logIn (name: string): Promise<string> {
    const answer = await app.inject({ method: 'POST', url: '/login', payload: { email: `${name}@example.com`, password: name } })
    return answer.json<{ token: string }>().token
  }

  /** Asks in the name of a person; without one, in nobody's. */
  async function ask (name: string | undefined, method: 'GET' | 'POST' | 'PATCH' | 'DELETE', url: string, payload?: object) {
    const headers = name === undefined ? {} : { authorization: `Bearer ${await logIn(name)}` }
    return app.inject({ method, url, headers, ...(payload === undefined ? {} : { payload }) })
  }

  return { app, ask, logIn }
}

export const REQUESTS = [
  ['GET', '/tenants/default/tasks'],
  ['POST', '/tenants/default/tasks', { title: 'Ship it' }],
  ['GET', '/tenants/default/tasks/1'],
  ['PATCH', '/tenants/default/tasks/1', { done: true }],
  ['DELETE', '/tenants/default/tasks/1'],
  ['GET', '/tenants/tenant2/tasks'],
  ['POST', '/tenants/tenant2/tasks', { title: 'Ship it' }],
  ['GET', '/tenants/tenant2/tasks/3'],
  ['PATCH', '/tenants/tenant2/tasks/3', { done: true }],
  ['DELETE', '/tenants/tenant2/tasks/3']
] as const

const NO = 403
/** The statuses of the requests, in their order. */
export const RIGHTS: ReadonlyArray<[who: string | undefined, is: string, statuses: readonly number[]]> = [
  ['ada', 'the admin of default', [200, 201, 200, 200, 204, NO, NO, NO, NO, NO]],
  ['victor', 'the viewer of default', [200, NO, 200, NO, NO, NO, NO, NO, NO, NO]],
  ['tess', 'the admin of tenant2', [NO, NO, NO, NO, NO, 200, 201, 200, 200, 204]],
  ['noel', 'a person without roles', [NO, NO, NO, NO, NO, NO, NO, NO, NO, NO]],
  [undefined, 'nobody at all', [401, 401, 401, 401, 401, 401, 401, 401, 401, 401]]
]
