// The shapes of what an AuthZEN PDP answers.
import Type from 'typebox'
import { checkerOf } from '../../kit/checker.js'

const EvaluationAnswer = Type.Object({ decision: Type.Boolean(), context: Type.Optional(Type.Unknown()) })

/** The fields of the PDP's metadata that are read (section 9 of OpenID AuthZEN 1.0). */
const Metadata = Type.Object({
  policy_decision_point: Type.String(),
  access_evaluation_endpoint: Type.String({ maxLength: 2_000 }),
  access_evaluations_endpoint: Type.Optional(Type.String({ maxLength: 2_000 })),
  search_resource_endpoint: Type.Optional(Type.String({ maxLength: 2_000 })),
  search_subject_endpoint: Type.Optional(Type.String({ maxLength: 2_000 })),
  search_action_endpoint: Type.Optional(Type.String({ maxLength: 2_000 }))
})

export const evaluationAnswer = checkerOf(EvaluationAnswer)
export const metadata = checkerOf(Metadata)
