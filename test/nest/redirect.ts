// Lets the entry for NestJS find the version of NestJS that a folder of tests has, as an app's own installation would.
import { register } from 'node:module'

/** Called before the entry is imported, and it is imported dynamically: what is imported statically is resolved first. */
export function redirectNest (from: string): void {
  const hook = `
    export async function resolve (specifier, context, next) {
      const isOurs = specifier.startsWith('@nestjs/') && context.parentURL?.includes('/src/nest/')
      return next(specifier, isOurs ? { ...context, parentURL: ${JSON.stringify(from)} } : context)
    }`
  register(`data:text/javascript,${encodeURIComponent(hook)}`)
}
