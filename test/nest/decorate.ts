// Decorators without their syntax, which a test that strips types has not.

export type Decorator = (target: object, name?: string, descriptor?: PropertyDescriptor | number) => unknown

/** What a test hands in for one class. */
export type Class = new (...args: never[]) => object

/** Decorates a class and its methods, as decorators' syntax would. */
export function decorate<C extends Class> (type: C, ofClass: readonly Decorator[], ofMethods: Record<string, readonly Decorator[]> = {}): C {
  for (const [name, decorators] of Object.entries(ofMethods)) {
    for (const decorator of [...decorators].reverse()) {
      const descriptor = Object.getOwnPropertyDescriptor(type.prototype, name) as PropertyDescriptor
      const replaced = decorator(type.prototype as object, name, descriptor) as PropertyDescriptor | undefined
      Object.defineProperty(type.prototype, name, replaced ?? descriptor)
    }
  }
  for (const decorator of [...ofClass].reverse()) decorator(type)
  return type
}

/** What one place says: nothing, that it is public, or a permission. */
export const SAYS = [undefined, 'public', 'task:create'] as const
export type Said = typeof SAYS[number]

/** Where something is said: at the method and the class of the base, and of the subclass; and which class has the function. */
export interface World { readonly baseMethod: Said, readonly baseClass: Said, readonly subMethod: Said, readonly subClass: Said, readonly how: 'inherits' | 'overrides' | 'adds' }

export const WORLDS: readonly World[] = SAYS.flatMap(baseMethod => SAYS.flatMap(baseClass => SAYS.flatMap(subMethod => SAYS.flatMap(subClass =>
  (['inherits', 'overrides', 'adds'] as const).map(how => ({ baseMethod, baseClass, subMethod, subClass, how })))))).filter(({ how, subMethod, baseMethod }) =>
  how === 'inherits' ? subMethod === undefined : how === 'overrides' || baseMethod === undefined)

/** What the handler of a world requires: by distance, the method and the class, of the subclass and then of the base. Public counts for functions of the same class, or of one above it. */
export function requiredIn ({ baseMethod, baseClass, subMethod, subClass, how }: World): Said {
  const ofBase = (said: Said) => said === 'public' && how !== 'inherits' ? undefined : said
  return subMethod ?? ofBase(how === 'adds' ? undefined : baseMethod) ?? subClass ?? ofBase(baseClass)
}

/** The class of a world, whose handler is the method `name`. */
export function classOf ({ baseMethod, baseClass, subMethod, subClass, how }: World, name: string, says: (said: Said) => readonly Decorator[], handler: Decorator, ofClass: readonly Decorator[], ran: string[], answer: unknown = 'answer'): Class {
  const method = () => function () { ran.push(name); return answer }
  class Base {}
  class Sub extends Base {}
  if (how !== 'adds') Object.defineProperty(Base.prototype, name, { value: method(), configurable: true, writable: true })
  if (how !== 'inherits') Object.defineProperty(Sub.prototype, name, { value: method(), configurable: true, writable: true })
  decorate(Base, says(baseClass), how === 'adds' ? {} : { [name]: [handler, ...says(baseMethod)] })
  return decorate(Sub, [...ofClass, ...says(subClass)], how === 'inherits' ? {} : { [name]: [handler, ...says(subMethod)] })
}
