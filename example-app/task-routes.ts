// The tasks over HTTP. Each route declares its permission; no handler checks the user.
import createError from '@fastify/error'
import { Type, type FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Refusal, refusals } from './refusal.js'
import { TaskPageSchema, Tasks, TaskSchema, type Task } from './tasks.js'

const NotFound = createError('TASK_NOT_FOUND', 'There is no such task.', 404)

const InTenant = Type.Object({ tenant: Type.String() })
const OneTask = Type.Object({ tenant: Type.String(), id: Type.String() })
const Page = Type.Object({
  page: Type.Integer({ minimum: 1, maximum: 1_000_000, default: 1 }),
  size: Type.Integer({ minimum: 1, maximum: 100, default: 20 })
})
const Title = Type.String({ minLength: 1, maxLength: 200 })
const security = [{ bearer: [] }]

const taskRoutes: FastifyPluginAsyncTypebox = async app => {
  const tasks = await Tasks.open()
  app.addHook('onClose', async () => tasks.close())

  app.get('/tenants/:tenant/tasks', {
    config: { permit: 'task:list' },
    schema: { summary: 'A page of the tasks of a tenant', security, params: InTenant, querystring: Page, response: { 200: TaskPageSchema } }
  }, async request => {
    // Which tasks the user may see, as a condition for the database. Permit's container has to be told that no set rule is about tasks.
    const plan = await request.permit.plan('retrieve', 'task', { conditions: 'none' })
    return tasks.page(plan, request.query.page, request.query.size)
  })

  app.post('/tenants/:tenant/tasks', {
    config: { permit: 'task:create' },
    schema: {
      summary: 'Create a task',
      security,
      params: InTenant,
      body: Type.Object({ title: Title }, { additionalProperties: false }),
      response: { 201: TaskSchema }
    }
  }, async ({ params, body }, reply) => reply.code(201).send(await tasks.create(params.tenant, body.title)))

  app.get('/tenants/:tenant/tasks/:id', {
    config: { permit: { action: 'retrieve', resource: 'task:{id}' } },
    schema: { summary: 'One task', security, params: OneTask, response: { 200: TaskSchema, 404: Refusal } }
  }, async ({ params }) => orNotFound(await tasks.find(params.tenant, params.id)))

  app.patch('/tenants/:tenant/tasks/:id', {
    config: { permit: { action: 'update', resource: 'task:{id}' } },
    schema: {
      summary: 'Change a task',
      security,
      params: OneTask,
      body: Type.Partial(Type.Object({ title: Title, done: Type.Boolean() }), { additionalProperties: false }),
      response: { 200: TaskSchema, 404: Refusal }
    }
  }, async ({ params, body }) => orNotFound(await tasks.update(params.tenant, params.id, body)))

  app.delete('/tenants/:tenant/tasks/:id', {
    config: { permit: { action: 'delete', resource: 'task:{id}' } },
    schema: { summary: 'Delete a task', security, params: OneTask, response: { 204: Type.Null(), 404: Refusal } }
  }, async ({ params }, reply) => {
    if (!await tasks.delete(params.tenant, params.id)) throw new NotFound()
    return reply.code(204).send(null)
  })

  app.get('/tasks', {
    // The route has no single permission, because each task is checked. Without a login, `filter` rejects with 401, like a guard.
    config: { permit: false },
    schema: { summary: 'The tasks that you may see, in every tenant', security, response: { 200: Type.Array(TaskSchema), ...refusals } }
  }, async request =>
    request.permit.filter('retrieve', await tasks.all(), ({ id, tenant }) => ({ type: 'task', key: id, tenant })))
}

function orNotFound (task: Task | undefined): Task {
  if (task === undefined) throw new NotFound()
  return task
}

export default taskRoutes
