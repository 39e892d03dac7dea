// `fastify-permit explain`: why a user may do something, or not, model by model.
import { explain } from '../asking/explanation.js'
import { questionCommand } from '../asking/question-command.js'
import { drawTree } from '../terminal/tree.js'

/** The command. */
export const explainCommand = questionCommand({
  name: 'explain',
  summary: 'why may this user do this, or not? As a tree',
  about: `Says why a user may do something, or not, as a tree: the roles that the user has and those that would do, each condition
with the values that it compared, each step by which a role on an instance is derived. Of a PDP over HTTP it shows what
the PDP itself says.

The tree shows attribute values.`,
  json: 'the same as JSON: { "allow", "code", "reason", "models" }, of a PDP "debug" in place of "models"',
  examples: [
    '--user victor --action delete --resource task --policy permit.yaml',
    '--user ann --action read --resource document:spec --policy permit.yaml --given permit.test.yaml',
    '--user ann --action read --resource document:spec --pdp http://localhost:7766'
  ],

  async say (authority, query) {
    const { decision, tree } = await explain(authority, query)
    return { allow: decision.allow, json: decision, text: drawTree(tree) }
  }
})
