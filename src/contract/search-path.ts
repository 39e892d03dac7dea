// The local PDP's path for searches. Permit's own PDP has nothing there.
export const SEARCH_PATH = '/fastify-permit/search'
