// A local PDP on a real socket, and Permit's own SDK, unmodified, in front of it.
import { Permit, type IPermitConfig } from 'permitio'
import type { Test } from 'tap'
import { createLocalPdp, type LocalPdpOptions } from '../../src/server/index.js'

export const TOKEN = 'permit_key_of_the_tests'

/** A local PDP that is closed when the test is over. */
export async function localPdp (t: Test, options: LocalPdpOptions = {}) {
  const app = createLocalPdp({ token: TOKEN, ...options })
  t.teardown(() => app.close())
  const url = await app.listen({ port: 0 })
  return { app, url }
}

/** The SDK, as its documentation says to construct it, with the cloud's URL replaced by the local PDP's. */
export function sdkFor (url: string, options: Partial<IPermitConfig> = {}): Permit {
  return new Permit({ pdp: url, apiUrl: url, token: TOKEN, log: { level: 'silent' }, ...options })
}

/** A local PDP, and the SDK for it. */
export async function sdkWithPdp (t: Test, options: LocalPdpOptions = {}) {
  const pdp = await localPdp(t, options)
  return { ...pdp, permit: sdkFor(pdp.url) }
}

/** The status and the body of the answer that an SDK's call failed with. */
export async function failureOf (call: Promise<unknown>): Promise<{ status: number, body: { error_code: string, message: string, title: string } }> {
  try {
    await call
  } catch (error) {
    const { response } = error as { response: { status: number, data: { error_code: string, message: string, title: string } } }
    return { status: response.status, body: response.data }
  }
  throw new Error('the call did not fail')
}
