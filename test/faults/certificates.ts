// X.509 certificates for tests, made when they are needed: so that "valid", "expired" and "not yet" stay true, and no tool is needed.
import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto'

/** What `tls.createSecureContext` takes. */
export interface Certified { readonly cert: string, readonly key: string }

export interface Authority {
  readonly cert: string
  issue (subject: Subject): Certified
}

interface Subject {
  /** The one IPv4 address or host name that it is for. */
  readonly name: string
  /** Days from now. */
  readonly from: number
  readonly to: number
}

const DAY = 86_400_000

// Object identifiers, encoded.
const ECDSA_WITH_SHA256 = '2a8648ce3d040302'
const COMMON_NAME = '550403'
const SUBJECT_ALT_NAME = '551d11'
const BASIC_CONSTRAINTS = '551d13'

/** A certificate authority that nobody knows who was not told. */
export function createAuthority (name: string): Authority {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const constraints = extension(BASIC_CONSTRAINTS, sequence(der(0x01, Buffer.from([0xff]))), true)
  const cert = certificate({ subject: name, issuer: name, from: -2, to: 2, publicKey, signer: privateKey, extensions: [constraints] })
  return {
    cert,
    issue ({ name: host, from, to }) {
      const own = generateKeyPairSync('ec', { namedCurve: 'P-256' })
      const address = /^\d+(\.\d+){3}$/.test(host) ? der(0x87, Buffer.from(host.split('.').map(Number))) : der(0x82, Buffer.from(host))
      const extensions = [extension(SUBJECT_ALT_NAME, sequence(address))]
      return {
        cert: certificate({ subject: host, issuer: name, from, to, publicKey: own.publicKey, signer: privateKey, extensions }),
        key: own.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
      }
    }
  }
}

interface Contents {
  readonly subject: string
  readonly issuer: string
  readonly from: number
  readonly to: number
  readonly publicKey: KeyObject
  readonly signer: KeyObject
  readonly extensions: readonly Buffer[]
}

/** RFC 5280, section 4.1. */
function certificate ({ subject, issuer, from, to, publicKey, signer, extensions }: Contents): string {
  const algorithm = sequence(objectId(ECDSA_WITH_SHA256))
  const contents = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))), // version 3
    der(0x02, Buffer.from([1, ...serial()])),
    algorithm,
    nameOf(issuer),
    sequence(time(from), time(to)),
    nameOf(subject),
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(...extensions)))
  const signature = der(0x03, Buffer.from([0]), sign('sha256', contents, signer))
  const base64 = sequence(contents, algorithm, signature).toString('base64')
  return `-----BEGIN CERTIFICATE-----\n${base64.replace(/.{64}/g, '$&\n')}\n-----END CERTIFICATE-----\n`
}

let issued = 0

function serial (): number[] {
  return [++issued >> 8, issued & 0xff]
}

function nameOf (text: string): Buffer {
  return sequence(der(0x31, sequence(objectId(COMMON_NAME), der(0x0c, Buffer.from(text)))))
}

function extension (id: string, value: Buffer, critical = false): Buffer {
  return sequence(objectId(id), ...(critical ? [der(0x01, Buffer.from([0xff]))] : []), der(0x04, value))
}

/** UTCTime, which is for the years until 2049. */
function time (days: number): Buffer {
  const digits = new Date(Date.now() + days * DAY).toISOString().replace(/\D/g, '')
  return der(0x17, Buffer.from(`${digits.slice(2, 14)}Z`))
}

function objectId (hex: string): Buffer {
  return der(0x06, Buffer.from(hex, 'hex'))
}

function sequence (...parts: readonly Buffer[]): Buffer {
  return der(0x30, ...parts)
}

function der (tag: number, ...parts: readonly Buffer[]): Buffer {
  const { length } = Buffer.concat(parts)
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...size]), ...parts])
}
