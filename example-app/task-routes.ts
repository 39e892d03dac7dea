// The tasks over HTTP. Each route declares its permission; no handler checks the user.
import createError from '@fastify/error'
import { Type, type FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Refusal, refusals } from './refusal.js'
import { Tasks, TaskSchema, type Task } from './tasks.js'

const NotFound = createError('TASK_NOT_FOUND', 'There is no such task.', 404)

const InTenant = Type.Object({ tenant: Type.String() })
const OneTask = Type.Object({ tenant: Type.String(), id: Type.String() })
const Title = Type.String({ minLength: 1, maxLength: 200 })
const security = [{ bearer: [] }]

const taskRoutes: FastifyPluginAsyncTypebox = async app => {
  const tasks = new Tasks()

  app.get('/tenants/:tenant/tasks', {
    config: { permit: 'task:list' },
    schema: { summary: 'The tasks of a tenant', security, params: InTenant, response: { 200: Type.Array(TaskSchema) } }
  }, async ({ params }) => tasks.in(params.tenant))

  app.post('/tenants/:tenant/tasks', {
    config: { permit: 'task:create' },
    schema: {
      summary: 'Create a task',
      security,
      params: InTenant,
      body: Type.Object({ title: Title }, { additionalProperties: false }),
      response: { 201: TaskSchema }
    }
  }, async ({ params, body }, reply) => reply.code(201).send(tasks.create(params.tenant, body.title)))

  app.get('/tenants/:tenant/tasks/:id', {
    config: { permit: { action: 'retrieve', resource: 'task:{id}' } },
    schema: { summary: 'One task', security, params: OneTask, response: { 200: TaskSchema, 404: Refusal } }
  }, async ({ params }) => orNotFound(tasks.find(params.tenant, params.id)))

  app.patch('/tenants/:tenant/tasks/:id', {
    config: { permit: { action: 'update', resource: 'task:{id}' } },
    schema: {
      summary: 'Change a task',
      security,
      params: OneTask,
      body: Type.Partial(Type.Object({ title: Title, done: Type.Boolean() }), { additionalProperties: false }),
      response: { 200: TaskSchema, 404: Refusal }
    }
  }, async ({ params, body }) => orNotFound(tasks.update(params.tenant, params.id, body)))

  app.delete('/tenants/:tenant/tasks/:id', {
    config: { permit: { action: 'delete', resource: 'task:{id}' } },
    schema: { summary: 'Delete a task', security, params: OneTask, response: { 204: Type.Null(), 404: Refusal } }
  }, async ({ params }, reply) => {
    if (!tasks.delete(params.tenant, params.id)) throw new NotFound()
    return reply.code(204).send(null)
  })

  app.get('/tasks', {
    // The route has no single permission, because each task is checked. Without a login, `filter` rejects with 401, like a guard.
    config: { permit: false },
    schema: { summary: 'The tasks that you may see, in every tenant', security, response: { 200: Type.Array(TaskSchema), ...refusals } }
  }, async request =>
    request.permit.filter('retrieve', tasks.all(), ({ id, tenant }) => ({ type: 'task', key: id, tenant })))
}

function orNotFound (task: Task | undefined): Task {
  if (task === undefined) throw new NotFound()
  return task
}

export default taskRoutes
