// The tasks, in memory. Every lookup names the tenant, so tasks of other tenants are not found.
import { Type, type Static } from '@fastify/type-provider-typebox'

export const TaskSchema = Type.Object({
  id: Type.String(),
  tenant: Type.String(),
  title: Type.String(),
  done: Type.Boolean()
})
export type Task = Static<typeof TaskSchema>

export class Tasks {
  readonly #tasks = new Map<string, Task>()
  #lastId = 0

  constructor () {
    this.create('default', 'Write the README')
    this.create('default', 'Water the plants')
    this.create('tenant2', 'Plan the party')
  }

  all (): Task[] {
    return [...this.#tasks.values()]
  }

  in (tenant: string): Task[] {
    return this.all().filter(task => task.tenant === tenant)
  }

  find (tenant: string, id: string): Task | undefined {
    const task = this.#tasks.get(id)
    return task?.tenant === tenant ? task : undefined
  }

  create (tenant: string, title: string): Task {
    const task = { id: String(++this.#lastId), tenant, title, done: false }
    this.#tasks.set(task.id, task)
    return task
  }

  update (tenant: string, id: string, changes: Partial<Pick<Task, 'title' | 'done'>>): Task | undefined {
    const task = this.find(tenant, id)
    if (task === undefined) return undefined
    const updated = { ...task, ...changes }
    this.#tasks.set(id, updated)
    return updated
  }

  delete (tenant: string, id: string): boolean {
    return this.find(tenant, id) !== undefined && this.#tasks.delete(id)
  }
}
