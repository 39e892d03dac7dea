// Questions to the app. They are in a header, because addresses are logged.

/** The words of the app for a question that it refuses. */
export class RefusedError extends Error {}

/** Asks the app. Rejects with a `RefusedError` when the question is wrong, and with another error when there is no answer. */
export async function askApp<T> (path: string, parameters: object = {}): Promise<T> {
  const response = await fetch(path, { headers: { 'x-inspector-question': encodeURIComponent(JSON.stringify(parameters)) } })
  if (response.status === 400) throw new RefusedError(await response.text())
  if (!response.ok) throw new Error(`status ${response.status}`)
  return await response.json() as T
}
