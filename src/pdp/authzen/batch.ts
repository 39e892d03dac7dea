// Which evaluations may travel in one AuthZEN batch, and what such a batch looks like.
import { toUSVString } from 'node:util'
import type { WrittenEvaluation } from './mapping.js'

/** Characters in one batch at most: servers bound a request's body, and one that is refused as a whole takes everybody's questions down. */
const MAX_BATCH = 256 * 1024

/**
 * Puts evaluations into as few batches as may be, by their places. In one batch an id means one thing: evaluations that name the same
 * subject with other properties, or the same resource of the same subject with other properties or another context, travel in different ones.
 *
 * A PDP may look a subject or a resource up by its id alone. Cerbos (0.55) does: of two evaluations in one batch about one
 * subject and one resource it decides both by the properties of the first. With the tenant among the properties, what is allowed in one
 * tenant would be allowed in the other.
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

/** What an evaluation names, and what it says about it. */
interface Names {
  readonly subject: string
  readonly aboutSubject: string
  readonly resource: string
  readonly aboutResource: string
  readonly size: number
}

function namesIn (evaluation: WrittenEvaluation): Names {
  // Without the subject's type: who looks a subject up by its id alone does not look at it either. And as UTF-8 has it: to a PDP
  // that replaces what is no text, all lone surrogates are one.
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

/** The body of a request for one evaluation. */
export function evaluationBody ({ subject, action, resource, context }: WrittenEvaluation): string {
  return `{"subject":${subject},"action":${action},"resource":${resource},"context":${context}}`
}

/**
 * The body of a request for many, none of which ends the others. What they all share stands once, at the top, as the default.
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
