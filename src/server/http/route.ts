// Describes a route as data: its input, its answers and its handler. One table serves, validates and documents the routes, at all
// addresses where they are mounted.
import Type, { type Static, type TObject, type TSchema } from 'typebox'
import type { FastifyRequest } from 'fastify'
import type { DecisionEngine, Environment } from '../../environment/environment.js'
import type { ListOutcome, ListQuestion } from '../../observe/observation.js'

/** The methods of routes. */
export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

/** The format of failures: the PDP's `{ detail }`, the REST API's `{ title, message, error_code }`, or AuthZEN's plain text. */
export type Wire = 'pdp' | 'api' | 'authzen'

/** The parameter names in a path such as `/users/:user`. */
export type ParamsOf<Path extends string> =
  Path extends `${string}:${infer Name}/${infer Rest}`
    ? { readonly [K in Name | keyof ParamsOf<`/${Rest}`>]: string }
    : Path extends `${string}:${infer Name}` ? { readonly [K in Name]: string } : unknown

/** What decides: the engine, or one whose decisions the inspector shows. */
export type Decider = Pick<DecisionEngine, 'decide' | 'explain'>

/** A plan or a search, as the inspector shows it. */
export interface Listing<Body, Answered> {
  /** What is asked. Called after the handler, and only with a body that the handler did not refuse. */
  question (body: Body): ListQuestion
  /** How it ended. */
  outcome (answer: Answered): Pick<ListOutcome, 'rows' | 'found' | 'error'>
}

/** The outcome of a search, or of a page of one. */
export function outcomeOfSearch (found: number): Pick<ListOutcome, 'rows' | 'found'> {
  return { rows: found > 0 ? 'some' : 'none', found }
}

/** `type`, or `type:key` with a key that is not empty. */
export function nameOfResource ({ type, key }: { readonly type: string, readonly key?: string | null | undefined }): string {
  return key === undefined || key === null || key === '' ? type : `${type}:${key}`
}

/** The validated input of a handler. */
export interface Input<Path extends string, Query extends TSchema, Body extends TSchema> {
  readonly params: ParamsOf<Path>
  readonly query: Static<Query>
  readonly body: Static<Body>
  readonly environment: Environment
  /** Makes the decisions of this request. */
  readonly decider: Decider
  readonly request: FastifyRequest
  /** Whether answers contain reasons. */
  readonly debug: boolean
  /** The types of AuthZEN subjects that are users; undefined when every type is. */
  readonly userTypes: readonly string[] | undefined
  /** The size of the body in characters. */
  readonly bytes: number
  /** Runs long work in turns, and stops it when the client has disconnected. */
  inTimeSlices<R> (steps: Generator<unknown, R>): Promise<R>
}

/** The result of a handler. */
export interface Answer<T = unknown> {
  readonly status: number
  readonly body?: T
}

interface Definition<Path extends string, Query extends TSchema, Body extends TSchema, Answered extends TSchema> {
  readonly method: Method
  readonly path: Path
  /** For readers of the OpenAPI document. */
  readonly summary: string
  readonly query?: Query
  readonly body?: Body
  /** The schema of the answer; without one the route answers 204. */
  readonly answer?: Answered
  /** The success statuses. @defaultValue 200, or 204 without an answer */
  readonly statuses?: readonly number[]
  /**
   * The most values in a body. Properties of large objects count several times.
   * @defaultValue {@link MAX_VALUES}
   */
  readonly values?: number
  /** For a route of plans or searches. */
  readonly listing?: Listing<Static<Body>, Static<Answered>>
  handle (input: Input<Path, Query, Body>): Answer<Static<Answered>> | Promise<Answer<Static<Answered>>>
}

/** A route without the types of its schemas, for tables. */
export interface Route {
  readonly method: Method
  readonly path: string
  readonly summary: string
  readonly query: TObject
  readonly body: TSchema | undefined
  readonly answer: TSchema | undefined
  readonly statuses: readonly number[]
  readonly values: number
  readonly listing: Listing<unknown, unknown> | undefined
  handle (input: Input<string, TSchema, TSchema>): Answer | Promise<Answer>
}

const NO_QUERY = Type.Object({})

/** The default for the most values in a body. They are copied, compared and stored; this many take about ten milliseconds. */
const MAX_VALUES = 50_000

/** The most values in a body with many questions, which are processed one at a time. */
export const MAX_VALUES_OF_MANY = 200_000

/** Defines a route. The path and the schemas determine the type of the handler's input. */
export function route<
  Path extends string, Query extends TObject = TObject, Body extends TSchema = TSchema, Answered extends TSchema = TSchema
> (
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
    listing: definition.listing as Listing<unknown, unknown> | undefined,
    handle: handle as Route['handle']
  }
}

/** 200. */
export function ok<T> (body: T): Answer<T> {
  return { status: 200, body }
}

/** 204, without a body. */
export function done (): Answer<never> {
  return { status: 204 }
}
