// A route as data: what it takes, what it answers and who handles it, so that one table serves, validates and documents it, at
// as many addresses as it is known by.
import Type, { type Static, type TObject, type TSchema } from 'typebox'
import type { FastifyRequest } from 'fastify'
import type { Environment } from '../../environment/environment.js'

/** The methods that routes have. */
export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

/** Whose manners a failure has: the PDP's `{ detail }`, the REST API's `{ title, message, error_code }`, AuthZEN's plain text. */
export type Wire = 'pdp' | 'api' | 'authzen'

/** The names in a path such as `/users/:user`. */
export type ParamsOf<Path extends string> =
  Path extends `${string}:${infer Name}/${infer Rest}`
    ? { readonly [K in Name | keyof ParamsOf<`/${Rest}`>]: string }
    : Path extends `${string}:${infer Name}` ? { readonly [K in Name]: string } : unknown

/** What a handler is given, checked. */
export interface Input<Path extends string, Query extends TSchema, Body extends TSchema> {
  readonly params: ParamsOf<Path>
  readonly query: Static<Query>
  readonly body: Static<Body>
  readonly environment: Environment
  readonly request: FastifyRequest
  /** Whether answers say why. */
  readonly debug: boolean
  /** Types of AuthZEN subjects that are users; undefined where every type is. */
  readonly userTypes: readonly string[] | undefined
  /** The size of the body in characters. */
  readonly bytes: number
  /** Runs long work in turns, and stops it when the client has disconnected. */
  inTurns<R> (steps: Generator<unknown, R>): Promise<R>
}

/** What a handler gives back. */
export interface Answer<T = unknown> {
  readonly status: number
  readonly body?: T
}

interface Definition<Path extends string, Query extends TSchema, Body extends TSchema, Answered extends TSchema> {
  readonly method: Method
  readonly path: Path
  /** For people who read the OpenAPI document. */
  readonly summary: string
  readonly query?: Query
  readonly body?: Body
  /** The answer's shape; none for 204. */
  readonly answer?: Answered
  /** The statuses of success. @defaultValue 200, or 204 without an answer */
  readonly statuses?: readonly number[]
  /**
   * The most values of a body; the names of large objects count several times.
   * @defaultValue {@link MAX_VALUES}
   */
  readonly values?: number
  handle (input: Input<Path, Query, Body>): Answer<Static<Answered>> | Promise<Answer<Static<Answered>>>
}

/** A route of which the types are no longer known, as tables hold them. */
export interface Route {
  readonly method: Method
  readonly path: string
  readonly summary: string
  readonly query: TObject
  readonly body: TSchema | undefined
  readonly answer: TSchema | undefined
  readonly statuses: readonly number[]
  readonly values: number
  handle (input: Input<string, TSchema, TSchema>): Answer | Promise<Answer>
}

const NO_QUERY = Type.Object({})

/** What is read of a body is copied, compared and stored: this much takes some ten milliseconds. */
const MAX_VALUES = 50_000

/** The values of many questions in one body, which are read one by one. */
export const MAX_VALUES_OF_MANY = 200_000

/** Defines a route: the handler's input is typed by the path and the schemas. */
export function route<Path extends string, Query extends TObject = TObject, Body extends TSchema = TSchema, Answered extends TSchema = TSchema> (
  definition: Definition<Path, Query, Body, Answered>
): Route {
  const { method, path, summary, query = NO_QUERY, body, answer, handle } = definition
  return {
    method,
    path,
    summary,
    query,
    body,
    answer,
    statuses: definition.statuses ?? [answer === undefined ? 204 : 200],
    values: definition.values ?? MAX_VALUES,
    handle: handle as Route['handle']
  }
}

/** 200. */
export function ok<T> (body: T): Answer<T> {
  return { status: 200, body }
}

/** 204: done, and nothing to say. */
export function done (): Answer<never> {
  return { status: 204 }
}
