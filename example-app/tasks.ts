// The tasks, in a database. Every query has the tenant in it, so tasks of other tenants are not found.
import { Type, type Static } from '@fastify/type-provider-typebox'
import { and, eq, sql } from 'drizzle-orm'
import { fields, toDrizzle, type Plan } from 'fastify-permit/drizzle'
import { openDatabase, taskTable } from './database.js'

export const TaskSchema = Type.Object({
  id: Type.String(),
  tenant: Type.String(),
  title: Type.String(),
  done: Type.Boolean()
})
export type Task = Static<typeof TaskSchema>

export const TaskPageSchema = Type.Object({
  tasks: Type.Array(TaskSchema),
  total: Type.Integer({ description: 'Tasks on all pages.' })
})
export type TaskPage = Static<typeof TaskPageSchema>

/** The columns of the table, for plans. An attribute that conditions of the policy use would need its column here, too. */
const taskFields = fields({ type: 'task', key: taskTable.id, tenant: taskTable.tenant })

export class Tasks {
  readonly #database = openDatabase()

  /** With three tasks to begin with. */
  static async open (): Promise<Tasks> {
    const tasks = new Tasks()
    await tasks.create('default', 'Write the README')
    await tasks.create('default', 'Water the plants')
    await tasks.create('tenant2', 'Plan the party')
    return tasks
  }

  /** One page of the tasks that the plan allows, and how many there are on all pages. */
  async page (plan: Plan, page: number, size: number): Promise<TaskPage> {
    const { db } = this.#database
    const allowed = toDrizzle(plan, taskFields)
    const rows = await db.select().from(taskTable).where(allowed).orderBy(taskTable.id).limit(size).offset((page - 1) * size)
    return { tasks: rows.map(taskOf), total: await db.$count(taskTable, allowed) }
  }

  /** The tasks of all tenants. */
  async all (): Promise<Task[]> {
    return (await this.#database.db.select().from(taskTable).orderBy(taskTable.id)).map(taskOf)
  }

  async find (tenant: string, id: string): Promise<Task | undefined> {
    const [row] = await this.#database.db.select().from(taskTable).where(isTask(tenant, id))
    return row && taskOf(row)
  }

  async create (tenant: string, title: string): Promise<Task> {
    const [row] = await this.#database.db.insert(taskTable).values({ tenant, title }).returning()
    return taskOf(row as Row)
  }

  async update (tenant: string, id: string, { title, done }: Partial<Pick<Task, 'title' | 'done'>>): Promise<Task | undefined> {
    if (title === undefined && done === undefined) return this.find(tenant, id)
    const [row] = await this.#database.db.update(taskTable).set({ title, done }).where(isTask(tenant, id)).returning()
    return row && taskOf(row)
  }

  async delete (tenant: string, id: string): Promise<boolean> {
    return (await this.#database.db.delete(taskTable).where(isTask(tenant, id)).returning()).length > 0
  }

  close (): void {
    this.#database.close()
  }
}

type Row = typeof taskTable.$inferSelect

function taskOf ({ id, ...task }: Row): Task {
  return { ...task, id: String(id) }
}

/** Compares the id as text, as `check` was asked about it: SQLite would also find the task 1 by the number `01`. */
function isTask (tenant: string, id: string) {
  return and(eq(taskTable.tenant, tenant), eq(taskTable.id, Number(id)), eq(sql`CAST(${taskTable.id} AS TEXT)`, id))
}
