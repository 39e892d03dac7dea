// Warns when the embedded PDP is written to in one of several processes: the others do not learn of it.
import type { EnvironmentLog } from '../../environment/environment.js'

/** Whether this process is a worker of `node:cluster` (PM2's cluster mode is one), or another instance of PM2 than the first. */
async function isWorkerProcess (): Promise<boolean> {
  // Loaded with the first write, because most apps write nothing and are one process.
  const { default: cluster } = await import('node:cluster')
  return cluster.isWorker || Number(process.env['NODE_APP_INSTANCE'] ?? 0) > 0
}

/**
 * A function that is called for each write, and warns at the first one.
 * @param data - the folder of the facts, which processes share
 */
export function warnAtFirstWrite (data: string | undefined, log: EnvironmentLog | undefined): () => Promise<void> {
  let isFirst = data === undefined && log !== undefined
  return async () => {
    if (!isFirst) return
    isFirst = false
    if (!await isWorkerProcess()) return
    log?.warn({}, 'permit: this process is one of several, and its embedded PDP keeps facts in its own memory: ' +
      'the other processes do not see this write and decide by older facts; ' +
      'set the option "data" to a folder, which the processes of this machine share, ' +
      'or run one local PDP (fastify-permit pdp) and set the option "pdp" in every process')
  }
}
