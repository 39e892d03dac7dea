// `fastify-permit explain`: why a user is allowed or denied, model by model.
import { explain } from '../query/explanation.js'
import { questionCommand } from '../query/query-command.js'
import { drawTree } from '../terminal/tree.js'

/** The command. */
export const explainCommand = questionCommand({
  name: 'explain',
  about: `Explains a decision as a tree: the roles of the user and the roles that grant the permission, each condition with the values
that it compared, and each step that derives a role on an instance. About a resource type it also says which rows of a list the user
may act on, and which rule or role opens them. For a PDP over HTTP it prints the PDP's debug output.

The tree contains attribute values.`,
  json: 'print it as JSON: { "allow", "code", "reason", "models", "plan", "branches" }; for a PDP "debug" instead of "models"',
  examples: [
    '--user victor --action delete --resource task --policy permit.yaml',
    '--user ann --action read --resource document:spec --policy permit.yaml --given permit.test.yaml',
    '--user ann --action read --resource document:spec --pdp http://localhost:7766'
  ],

  async answer (source, query) {
    const { decision, tree } = await explain(source, query)
    return { allow: decision.allow, json: decision, text: drawTree(tree) }
  }
})
