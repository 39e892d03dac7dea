// Loads oauth4webapi, an optional peer.
import type * as oauth4webapi from 'oauth4webapi'

/** The library. */
export type OAuthLibrary = typeof oauth4webapi

/** @throws when it is not installed */
export async function loadOAuthLibrary (): Promise<OAuthLibrary> {
  const name: string = 'oauth4webapi'
  try {
    return await import(name) as OAuthLibrary
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new Error(`client credentials need the package oauth4webapi, which cannot be loaded (${reason}): npm i oauth4webapi`)
  }
}
