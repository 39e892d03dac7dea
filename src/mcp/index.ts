// The entry for MCP servers: guards tools, resources and prompts, lists only what the user may call, and hands the HTTP request on to them.
export { guardServer, type GuardServerOptions, type McpServerLike } from './guard-server.js'
export { handleMcp, type McpTransport } from './handle-mcp.js'
export { permitted, type McpAnnotation, type McpCall } from './guarded-tools.js'
