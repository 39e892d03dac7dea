// The question that the engine answers.

/** A question: may this user do this action on this resource? */
export interface EngineQuery {
  user: {
    key: string
    email?: string
    first_name?: string
    last_name?: string
    attributes?: Record<string, unknown>
  }
  action: string
  resource: {
    type: string
    key?: string
    tenant: string
    attributes?: Record<string, unknown>
  }
  context?: Record<string, unknown>
}

/** In place of a tenant where a question names none: no role in a tenant counts, and instances are looked at in their own. No tenant has an empty key. */
export const NO_TENANT = ''
