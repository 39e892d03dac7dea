// The way of a request through Express's routers: in which of them it is now. An app knows only where it was mounted last.

/** One run of a router for one request. */
export interface Run<T> {
  /** What Express keeps as `req.next` as long as the run lasts: no other run has it. */
  readonly next: unknown
  /** The run that this one has been entered from. Unknown where it began before anybody followed the request. */
  readonly around: Run<T> | undefined
  /** `req.app` when it was entered: the app of the router, or, with Express 4, the app around that. Undefined where it was not seen to be entered. */
  app: unknown
  /** What was left here. */
  mark: T | undefined
}

/** What is known of a request's way. */
export interface Way<T> {
  run: Run<T>
  /** The request was in two places at once, because a middleware went on twice. Where it is now cannot be told. */
  isLost: boolean
  /** Called for each run that the request leaves for the one around it. */
  readonly onLeave: (left: Run<T>, to: Run<T>) => void
}

interface Followed extends Way<unknown> {
  baseUrl: unknown
  /** `req.next` was read, and nothing of a router has been written since. */
  isRead: boolean
}

/** Not enumerable on a request, so that it is not copied to another one. */
const WAY = Symbol('fastify-permit.way')

interface Carrier { [WAY]?: Followed, app?: unknown, next?: unknown, baseUrl?: unknown }

/**
 * A router keeps three properties of a request for whoever called it: it reads `baseUrl`, `next` and `params`, sets them for itself, and when it is
 * done sets them back in this order. By these two, entering and leaving are seen, whatever calls the router: an app that it is mounted in, or a function.
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

/** Follows a request from now on, if it is not followed yet. */
export function follow<T> (request: object, onLeave: Way<T>['onLeave']): Way<T> {
  const carrier: Carrier = request
  const known = carrier[WAY]
  if (known !== undefined) return known as unknown as Way<T>
  const { app, next, baseUrl } = carrier
  const way: Followed = { run: { next, around: undefined, app, mark: undefined }, isLost: false, isRead: false, baseUrl, onLeave: onLeave as Followed['onLeave'] }
  Object.defineProperty(request, WAY, { value: way })
  Object.defineProperties(request, FOLLOWED)
  return way as unknown as Way<T>
}

/** The way of a request, if it is followed. */
export function wayOf<T> (request: object): Way<T> | undefined {
  return (request as Carrier)[WAY] as unknown as Way<T> | undefined
}

/** The apps that a request is in, as far as its way is known. */
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
  // A router is left for the one that it was entered from, and no further.
  if (to !== from.around) way.isLost = true
  way.run = to ?? { next, around: undefined, app: undefined, mark: undefined }
  way.onLeave(from, way.run)
}
