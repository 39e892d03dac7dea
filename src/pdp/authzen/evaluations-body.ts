// Groups evaluations into AuthZEN batches, and writes the body of a batch.
import { toUSVString } from 'node:util'
import type { WrittenEvaluation } from './mapping.js'

/** The most characters in one batch: servers limit the size of a request, and a rejected batch fails the checks of all callers. */
const MAX_BATCH = 256 * 1024

/**
 * Groups evaluations, given by their indexes, into as few batches as possible. Within a batch an id has one meaning. Two evaluations go
 * into different batches when they name the same subject with different properties, or the same subject and resource with different
 * properties or contexts.
 *
 * The reason is that a PDP may identify subjects and resources by their ids alone. Cerbos (0.55) does: it decides two evaluations about
 * the same subject and resource in one batch by the properties of the first. The tenant is one of the properties, so a permission in one
 * tenant would also be granted in the other.
 */
export function batches (evaluations: ReadonlyArray<WrittenEvaluation | undefined>): number[][] {
  const found: Batch[] = []
  for (const [place, evaluation] of evaluations.entries()) {
    if (evaluation === undefined) continue
    const names = namesIn(evaluation)
    let batch = found.find(batch => batch.takes(names))
    if (batch === undefined) found.push(batch = new Batch())
    batch.add(place, names)
  }
  return found.map(({ places }) => places)
}

/** The ids in an evaluation, and the properties that come with them. */
interface Names {
  readonly subject: string
  readonly aboutSubject: string
  readonly resource: string
  readonly aboutResource: string
  readonly size: number
}

function namesIn (evaluation: WrittenEvaluation): Names {
  // Without the subject's type, because a PDP that identifies subjects by id alone ignores it. With lone surrogates replaced, because a
  // PDP that decodes UTF-8 cannot tell them apart.
  const subject = toUSVString(evaluation.subjectId)
  const type = toUSVString(evaluation.resourceType)
  return {
    subject,
    aboutSubject: evaluation.subject,
    resource: `${subject.length}:${subject}${type.length}:${type}${toUSVString(evaluation.resourceId)}`,
    aboutResource: `${evaluation.resource.length}:${evaluation.resource}${evaluation.context}`,
    size: sizeOf(evaluation)
  }
}

class Batch {
  readonly places: number[] = []
  readonly #subjects = new Map<string, string>()
  readonly #resources = new Map<string, string>()
  #size = 0

  takes ({ subject, aboutSubject, resource, aboutResource, size }: Names): boolean {
    return (this.#subjects.get(subject) ?? aboutSubject) === aboutSubject &&
      (this.#resources.get(resource) ?? aboutResource) === aboutResource &&
      this.#size + size <= MAX_BATCH
  }

  add (place: number, { subject, aboutSubject, resource, aboutResource, size }: Names): void {
    this.places.push(place)
    this.#subjects.set(subject, aboutSubject)
    this.#resources.set(resource, aboutResource)
    this.#size += size
  }
}

function sizeOf ({ subject, action, resource, context }: WrittenEvaluation): number {
  return subject.length + action.length + resource.length + context.length
}

const PARTS = ['subject', 'action', 'resource', 'context'] as const

/** The request body for one evaluation. */
export function evaluationBody ({ subject, action, resource, context }: WrittenEvaluation): string {
  return `{"subject":${subject},"action":${action},"resource":${resource},"context":${context}}`
}

/**
 * The request body for many evaluations. All of them are executed, whatever the others' results. Parts that all share are written once,
 * at the top level, as defaults.
 * @param evaluations - at least one
 */
export function evaluationsBody (evaluations: readonly WrittenEvaluation[]): string {
  const [first] = evaluations as [WrittenEvaluation]
  const shared = PARTS.filter(part => evaluations.every(evaluation => evaluation[part] === first[part]))
  const own = PARTS.filter(part => !shared.includes(part))
  const defaults = shared.map(part => `"${part}":${first[part]},`).join('')
  const items = evaluations.map(evaluation => `{${own.map(part => `"${part}":${evaluation[part]}`).join(',')}}`).join(',')
  return `{${defaults}"options":{"evaluations_semantic":"execute_all"},"evaluations":[${items}]}`
}
