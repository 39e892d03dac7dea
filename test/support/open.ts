// What holds a process open: for tests that nothing is left. They have a file of their own, since it is counted for the whole process.

/** Sockets, TLS, timers and file watchers that are open now. */
export function open (): string[] {
  return process.getActiveResourcesInfo().filter(name => /TCP|TLS|Timeout|FSEvent/.test(name)).sort()
}

/** The same, when what was closed has had its turns of the event loop: the close events of sockets come a few turns later. */
export async function openAtLast (before: readonly string[]): Promise<string[]> {
  for (let turn = 0; turn < 200 && open().length > before.length; turn++) await new Promise(resolve => setImmediate(resolve))
  return open()
}
