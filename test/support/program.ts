// How a test starts a process of the sources: compiled, as the test itself is in `npm test`, or as TypeScript. A loader takes a second.

const isCompiled = import.meta.url.endsWith('.js')

/** Of the files of src/ and test/. */
export const EXTENSION = isCompiled ? 'js' : 'ts'

/** What Node needs to load them. */
export const LOADER: readonly string[] = isCompiled ? [] : ['--import=tsx']
