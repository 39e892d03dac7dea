// Recognizes hosts and addresses that can only be reached from this machine.
import { BlockList, isIP } from 'node:net'

const LOOPBACK = new BlockList()
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4')
LOOPBACK.addAddress('::1', 'ipv6')

/** Whether a host can only be reached from this machine: a loopback address, or `localhost`. */
export function isLoopbackHost (host: string): boolean {
  const address = host.toLowerCase().replace(/^::ffff:(?=\d+\.)/, '')
  const family = isIP(address)
  if (family === 0) return address === 'localhost'
  return LOOPBACK.check(address, family === 4 ? 'ipv4' : 'ipv6')
}

/** The header `Host` without the port. */
export function hostnameOf (host = ''): string {
  return host.replace(/:\d*$/, '').replace(/^\[(.*)\]$/, '$1')
}
