// An app as users write it, with each public thing that has types of Express in it: compiled with the types of each version.
import express, { type NextFunction, type Request, type Response } from 'express'
import { guard, permit, ForbiddenError, type Annotation, type OnDenied, type PermitOptions, type UserOption } from 'fastify-permit/express'

const user: UserOption = request => request.headers['x-user']?.toString()
const onDenied: OnDenied = (_request: Request, response: Response, denial) => { response.status(404).json({ denied: denial?.action }) }
const options: PermitOptions = { policy: 'permit.yaml', user, onDenied }
const requirement: Annotation = { action: 'retrieve', resource: 'task:{id}', tenant: request => request.headers['x-tenant']?.toString() }

const app = express()
const authz = permit(options)
app.use(authz)
app.get('/tasks/:id', guard(requirement), (request, response, next) => {
  request.permit.check('retrieve', 'task').then(allowed => { response.json(allowed) }, next)
})
app.get('/tasks', authz.guard('task:list'), (_request, response) => { response.json([]) })
app.use((error: Error, _request: Request, response: Response, _next: NextFunction) => {
  response.status(error instanceof ForbiddenError ? error.statusCode ?? 403 : 500).json({})
})
await authz.ready()
authz.closeWith(app.listen(0))
