// proxy-from-env brings no types of its own.
declare module 'proxy-from-env' {
  /** The URL of the proxy for a URL, by the environment; empty for none. */
  export function getProxyForUrl (url: string): string
}
