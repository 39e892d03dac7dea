// Tracks which of Express's routers a request is in. An app itself only knows where it was mounted last.

/** The run of one router for one request. */
export interface Run<T> {
  /** The value of `req.next` during the run. Each run has a different one. */
  readonly next: unknown
  /** The run from which this one was entered. Unknown if it started before the request was tracked. */
  readonly around: Run<T> | undefined
  /** `req.app` at the start: the router's app, or, with Express 4, the app around it. Undefined if the start was not tracked. */
  app: unknown
  /** What the caller has stored for the run. */
  mark: T | undefined
}

/** The tracked way of a request. */
export interface Way<T> {
  run: Run<T>
  /** The request was in two places at once, because a middleware called `next` twice. Its place is unknown. */
  isLost: boolean
  /** Called for each run that the request leaves, with the run that it returns to. */
  readonly onLeave: (left: Run<T>, to: Run<T>) => void
}

interface Followed extends Way<unknown> {
  baseUrl: unknown
  /** `req.next` was read, and no property of a router has been written since. */
  isRead: boolean
}

/** Not enumerable, so that it is not copied to another request. */
const WAY = Symbol('fastify-permit.way')

interface Carrier { [WAY]?: Followed, app?: unknown, next?: unknown, baseUrl?: unknown }

/**
 * A router saves three properties of a request for its caller: it reads `baseUrl`, `next` and `params`, sets its own values, and restores
 * the old ones in this order at the end. So `baseUrl` and `next` show when a router is entered and left, whether an app or a function calls
 * the router.
 */
const FOLLOWED: PropertyDescriptorMap & ThisType<Required<Carrier>> = {
  baseUrl: {
    configurable: true,
    enumerable: true,
    get () { return this[WAY].baseUrl },
    set (value) {
      const way = this[WAY]
      way.baseUrl = value
      way.isRead = false
    }
  },
  next: {
    configurable: true,
    enumerable: true,
    get () {
      const way = this[WAY]
      way.isRead = true
      return way.run.next
    },
    set (next) { move(this[WAY], next, this.app) }
  }
}

/** Starts to track a request, if it is not tracked yet. */
export function follow<T> (request: object, onLeave: Way<T>['onLeave']): Way<T> {
  const carrier: Carrier = request
  const known = carrier[WAY]
  if (known !== undefined) return known as unknown as Way<T>
  const { app, next, baseUrl } = carrier
  const way: Followed = {
    run: { next, around: undefined, app, mark: undefined },
    isLost: false,
    isRead: false,
    baseUrl,
    onLeave: onLeave as Followed['onLeave']
  }
  Object.defineProperty(request, WAY, { value: way })
  Object.defineProperties(request, FOLLOWED)
  return way as unknown as Way<T>
}

/** The way of a request, if it is tracked. */
export function wayOf<T> (request: object): Way<T> | undefined {
  return (request as Carrier)[WAY] as unknown as Way<T> | undefined
}

/** The apps that a request is in, as far as they are known. */
export function appsOnWay (request: object): unknown[] {
  const carrier: Carrier = request
  const apps = [carrier.app]
  for (let run = carrier[WAY]?.run; run !== undefined; run = run.around) apps.push(run.app)
  return apps
}

function move (way: Followed, next: unknown, app: unknown): void {
  const { run: from, isRead } = way
  way.isRead = false
  let to: Run<unknown> | undefined = from
  while (to !== undefined && to.next !== next) to = to.around
  if (to === from) return
  if (to === undefined && isRead) {
    way.run = { next, around: from, app, mark: undefined }
    return
  }
  // A request can only leave a router for the one from which it was entered.
  if (to !== from.around) way.isLost = true
  way.run = to ?? { next, around: undefined, app: undefined, mark: undefined }
  way.onLeave(from, way.run)
}
