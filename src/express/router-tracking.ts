// Tracks which of Express's routers a request is in. An app itself only knows where it was mounted last.

/** The run of one router for one request. */
export interface RouterRun<T> {
  /** The value of `req.next` during the run. Each run has a different one. */
  readonly next: unknown
  /** The run from which this one was entered. Unknown if it started before the request was tracked. */
  readonly around: RouterRun<T> | undefined
  /** `req.app` at the start: the router's app, or, with Express 4, the app around it. Undefined if the start was not tracked. */
  app: unknown
  /** What the caller has stored for the run. */
  mark: T | undefined
}

/** The tracked position of a request. */
export interface RouterPosition<T> {
  run: RouterRun<T>
  /** The request was in two places at once, because a middleware called `next` twice. Its place is unknown. */
  isLost: boolean
  /** Called for each run that the request leaves, with the run that it returns to. */
  readonly onLeave: (left: RouterRun<T>, to: RouterRun<T>) => void
}

interface Followed extends RouterPosition<unknown> {
  baseUrl: unknown
  /** `req.next` was read, and no property of a router has been written since. */
  isRead: boolean
}

/** Not enumerable, so that it is not copied to another request. */
const POSITION = Symbol('fastify-permit.router-position')

interface Carrier { [POSITION]?: Followed, app?: unknown, next?: unknown, baseUrl?: unknown }

/**
 * A router saves three properties of a request for its caller: it reads `baseUrl`, `next` and `params`, sets its own values, and restores
 * the old ones in this order at the end. So `baseUrl` and `next` show when a router is entered and left, whether an app or a function calls
 * the router.
 */
const FOLLOWED: PropertyDescriptorMap & ThisType<Required<Carrier>> = {
  baseUrl: {
    configurable: true,
    enumerable: true,
    get () { return this[POSITION].baseUrl },
    set (value) {
      const position = this[POSITION]
      position.baseUrl = value
      position.isRead = false
    }
  },
  next: {
    configurable: true,
    enumerable: true,
    get () {
      const position = this[POSITION]
      position.isRead = true
      return position.run.next
    },
    set (next) { move(this[POSITION], next, this.app) }
  }
}

/** Starts to track a request, if it is not tracked yet. */
export function trackRouters<T> (request: object, onLeave: RouterPosition<T>['onLeave']): RouterPosition<T> {
  const carrier: Carrier = request
  const known = carrier[POSITION]
  if (known !== undefined) return known as unknown as RouterPosition<T>
  const { app, next, baseUrl } = carrier
  const position: Followed = {
    run: { next, around: undefined, app, mark: undefined },
    isLost: false,
    isRead: false,
    baseUrl,
    onLeave: onLeave as Followed['onLeave']
  }
  Object.defineProperty(request, POSITION, { value: position })
  Object.defineProperties(request, FOLLOWED)
  return position as unknown as RouterPosition<T>
}

/** The way of a request, if it is tracked. */
export function positionOf<T> (request: object): RouterPosition<T> | undefined {
  return (request as Carrier)[POSITION] as unknown as RouterPosition<T> | undefined
}

/** The apps that a request is in, as far as they are known. */
export function appsOnWay (request: object): unknown[] {
  const carrier: Carrier = request
  const apps = [carrier.app]
  for (let run = carrier[POSITION]?.run; run !== undefined; run = run.around) apps.push(run.app)
  return apps
}

function move (position: Followed, next: unknown, app: unknown): void {
  const { run: from, isRead } = position
  position.isRead = false
  let to: RouterRun<unknown> | undefined = from
  while (to !== undefined && to.next !== next) to = to.around
  if (to === from) return
  if (to === undefined && isRead) {
    position.run = { next, around: from, app, mark: undefined }
    return
  }
  // A request can only leave a router for the one from which it was entered.
  if (to !== from.around) position.isLost = true
  position.run = to ?? { next, around: undefined, app: undefined, mark: undefined }
  position.onLeave(from, position.run)
}
