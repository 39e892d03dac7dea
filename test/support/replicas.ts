// Apps for tests that ask several PDPs, and PDPs that fail and come back.
import type { FastifyServerOptions } from 'fastify'
import type { Test } from 'tap'
import permit, { type PermitOptions } from '../../src/index.js'
import { fastifyFor, optionsFor, pdpFor } from './app.js'
import type { FakePdp, FakePdpOptions } from './fake-pdp.js'

/** An app that asks a PDP for each of `fakes`. Everybody may do everything, unless a fake says otherwise. */
export async function appWithReplicas (t: Test, fakes: readonly FakePdpOptions[], options: Partial<PermitOptions> = {}, server: FastifyServerOptions = {}) {
  const pdps: FakePdp[] = []
  for (const fake of fakes) pdps.push(await pdpFor(t, { decide: () => true, ...fake }))
  const app = fastifyFor(t, server)
  await app.register(permit, { ...optionsFor(pdps[0]!), pdp: pdps.map(pdp => pdp.url), ...options })
  return { app, pdps }
}

/** The port of a PDP, for one that takes its place. */
export function portOf (pdp: FakePdp): number {
  return Number(new URL(pdp.url).port)
}

/** Waits until something is so; the test's own time limit ends it otherwise. */
export async function until (isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!await isSo()) await new Promise(resolve => setTimeout(resolve, 2))
}
