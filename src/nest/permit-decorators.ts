// The decorators of NestJS: what a handler or a controller requires. They only record it; PermitModule enforces it when the app starts.
import { Inject } from '@nestjs/common'
import type * as annotation from '../guard/annotation.js'
import type { NestRequest } from './nest-types.js'

/** What a handler or a controller requires. */
export type Annotation<R = NestRequest> = Exclude<annotation.Annotation<R>, false>

/**
 * The token under which the checks outside of requests are injected.
 * @example
 * ```ts
 * import type { INestApplication } from '@nestjs/common'
 * import { PERMIT, type PermitService } from 'fastify-permit/nest'
 *
 * export const permitOf = (app: INestApplication): PermitService => app.get(PERMIT)
 * ```
 */
export const PERMIT: unique symbol = Symbol.for('fastify-permit.permit') as never

/** What was recorded, by class or prototype. By name and not by function, because another decorator may replace the function. */
interface Recorded {
  own: { readonly value: annotation.Annotation<NestRequest> } | undefined
  readonly methods: Map<PropertyKey, { readonly value: annotation.Annotation<NestRequest> }>
}

const recorded = new WeakMap<object, Recorded>()

/**
 * What a handler requires, as a decorator of the handler; or what every handler of a controller requires that says nothing itself. In
 * templates, `{id}` is a param of the URL. It is decided after all guards of NestJS, so that authentication has run.
 *
 * @param requirement - every form that `config.permit` has in Fastify, except `false`
 * @example
 * ```ts
 * import { Permit } from 'fastify-permit/nest'
 *
 * // Beside @Patch(':id') of a controller's method.
 * export const mayUpdate = Permit({ action: 'update', resource: 'task:{id}' })
 * ```
 */
export function Permit<R = NestRequest> (requirement: Annotation<R>): ClassDecorator & MethodDecorator {
  return record(requirement as annotation.Annotation<NestRequest>)
}

/**
 * The handler, or every handler of the controller that says nothing itself, is public on purpose.
 * @example
 * ```ts
 * import { Public } from 'fastify-permit/nest'
 *
 * // Beside @Get('health') of a controller's method.
 * export const isPublic = Public()
 * ```
 */
export function Public (): ClassDecorator & MethodDecorator {
  return record(false)
}

/**
 * Injects the checks outside of requests, the write API, counters and health. The type of the parameter is `PermitService`.
 * @example
 * ```ts
 * import { InjectPermit } from 'fastify-permit/nest'
 *
 * // Beside a parameter of a constructor.
 * export const inject = InjectPermit()
 * ```
 */
export function InjectPermit (): PropertyDecorator & ParameterDecorator {
  return Inject(PERMIT)
}

function record (value: annotation.Annotation<NestRequest>): ClassDecorator & MethodDecorator {
  return (target: object, name?: PropertyKey): void => {
    const known = recorded.get(target) ?? { own: undefined, methods: new Map() }
    recorded.set(target, known)
    if (name === undefined) known.own = { value }
    else known.methods.set(name, { value })
  }
}

/**
 * What a method of a class requires: what it says itself, or what its class says; of a base class, if neither says anything. What a base
 * class declares public is its own functions: one that overrides them, or that a class adds, is not public by that.
 */
export function requirementOf (type: Class, name: PropertyKey): { readonly value: annotation.Annotation<NestRequest> } | undefined {
  const owners = chainOf(type.prototype)
  const definedBy = owners.findIndex(owner => Object.hasOwn(owner, name))
  const counts = (known: Recorded['own'], index: number): boolean => known !== undefined && (known.value !== false || index <= definedBy)
  const ofMethod = owners.map(owner => recorded.get(owner)?.methods.get(name)).find(counts)
  return ofMethod ?? chainOf(type).map(owner => recorded.get(owner)?.own).find(counts)
}

/** The methods of a class with a decorator of their own, and whether the class has one. */
export function decorated (type: Class): { readonly methods: PropertyKey[], readonly isClass: boolean } {
  return {
    methods: chainOf(type.prototype).flatMap(owner => [...recorded.get(owner)?.methods.keys() ?? []]),
    isClass: chainOf(type).some(owner => recorded.get(owner)?.own !== undefined)
  }
}

/** A class of the app. */
export interface Class { readonly name: string, readonly prototype: object }

/** An object and its prototypes. */
export function chainOf (object: object): object[] {
  const chain: object[] = []
  for (let owner: object | null = object; owner !== null && owner !== Object.prototype && owner !== Function.prototype;) {
    chain.push(owner)
    owner = Object.getPrototypeOf(owner)
  }
  return chain
}
