#!/usr/bin/env node
// The process `fastify-permit`. For `--version` nothing else is loaded.
import { createRequire } from 'node:module'

const args = process.argv.slice(2)

if (args[0] === '--version' || args[0] === '-v') {
  // By its name, because the file may be part of another module once it is built.
  const { version } = createRequire(import.meta.url)('fastify-permit/package.json') as { version: string }
  // The terminal makes text printable that comes from elsewhere; this is the package's own.
  process.stdout.write(`${version}\n`) // eslint-disable-line no-restricted-properties
} else {
  const { runProcess } = await import('./run-process.js')
  process.exitCode = await runProcess(args)
}
