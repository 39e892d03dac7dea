// The example app with a page in React that shows a button only to users who may use it. `npm run start:react` starts it.
import { pathToFileURL, fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import type { FastifyServerOptions } from 'fastify'
import { permissionsRoute } from 'fastify-permit/browser'
import { buildApp } from './app.js'

const HTML = `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Tasks</title><main id="tasks"></main><script src="/page.js"></script></html>`

/** The example app, with the page at /page and what its user may do at /permissions. */
export async function buildAppWithPage (options: FastifyServerOptions = {}) {
  const app = await buildApp(options)
  await app.register(permissionsRoute, { path: '/permissions', keyField: 'id' })
  const { outputFiles: [script] } = await build({
    entryPoints: [fileURLToPath(new URL('./page/tasks.jsx', import.meta.url))],
    bundle: true,
    minify: true,
    write: false,
    jsx: 'automatic',
    define: { 'process.env.NODE_ENV': '"production"' }
  })
  app.get('/page', { config: { permit: false } }, async (_request, reply) => reply.type('text/html').send(HTML))
  app.get('/page.js', { config: { permit: false } }, async (_request, reply) => reply.type('text/javascript').send(script?.text))
  return app
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const app = await buildAppWithPage()
  const url = await app.listen({ port: Number(process.env.PORT ?? 3000), host: process.env.HOST ?? '127.0.0.1' })
  console.log(`Open ${url}/page and log in as ada@example.com (password: ada), then as victor@example.com (password: victor).`)
}
