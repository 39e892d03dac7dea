// The shapes of what OpenFGA's API answers, as far as they are read. More members may come.
import Type from 'typebox'
import { checkerOf } from '../../kit/checker.js'

const text = Type.String({ minLength: 1 })

const Model = Type.Object({ id: text, type_definitions: Type.Array(Type.Object({ type: text })) })
const Models = Type.Object({ authorization_models: Type.Array(Model) })
/** A page of models. */
export const fgaModels = checkerOf(Models)

const ModelWritten = Type.Object({ authorization_model_id: text })
/** The id of a new model. */
export const fgaModelWritten = checkerOf(ModelWritten)

const Tuple = Type.Object({ user: text, relation: text, object: text })
const TuplesRead = Type.Object({ tuples: Type.Array(Type.Object({ key: Tuple })), continuation_token: Type.Optional(Type.String()) })
/** A page of tuples. */
export const fgaTuplesRead = checkerOf(TuplesRead)
