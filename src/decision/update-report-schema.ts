// The shape of an update report: that of OPAL's client, which is part of Permit's PDP. Only the fields that are used are validated.
import Type from 'typebox'
import { checkerOf } from '../kit/checker.js'

export const updateReport = checkerOf(Type.Object({
  reports: Type.Array(Type.Object({ entry: Type.Object({ dst_path: Type.String() }) }), { minItems: 1 }),
  policy_hash: Type.Optional(Type.Null())
}))
