// A host of the TypeScript compiler for tests that compile several programs.
import type ts from 'typescript'

/** Reads each file once: most of a program are declarations of packages, which all programs share. */
export function remembering (host: ts.CompilerHost): ts.CompilerHost {
  const known = new Map<string, ts.SourceFile | undefined>()
  return {
    ...host,
    getSourceFile (name, ...rest) {
      if (!known.has(name)) known.set(name, host.getSourceFile(name, ...rest))
      return known.get(name)
    }
  }
}
