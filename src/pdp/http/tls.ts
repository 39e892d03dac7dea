// Certificates and keys for connections to a PDP, from texts or from files that are replaced when they expire.
import { X509Certificate } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import type { SecureContext } from 'node:tls'
import { OptionsError } from '../../contract/errors.js'

/** Each of `ca`, `cert` and `key` is a text in PEM format, or the path of a file with such a text. */
export interface TlsSettings {
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
  readonly servername?: string
}

// An import would read every export of the module, among them the certificates of all public authorities, a quarter of a megabyte.
const { createSecureContext } = process.getBuiltinModule('node:tls')

const PARTS = ['ca', 'cert', 'key'] as const

/** The largest file, bytes. The certificates of all public authorities have 250 kB. */
const MAX_FILE_SIZE = 1024 * 1024

/** What TLS connections are made with. */
export class Tls {
  readonly servername: string | undefined
  readonly #settings: TlsSettings
  #context: SecureContext
  #versions: string

  /** @throws `OptionsError` when a file cannot be read, or when the texts cannot be used */
  constructor (settings: TlsSettings) {
    this.servername = settings.servername
    this.#settings = settings
    this.#versions = this.#readVersions()
    this.#context = this.#readContext()
  }

  /**
   * The context for a new connection. Files that have changed are read again. If the new ones cannot be used, for example because only one
   * of certificate and key has been replaced so far, the last ones that could be used stay, and the next connection tries again.
   */
  get context (): SecureContext {
    try {
      const versions = this.#readVersions()
      if (versions !== this.#versions) {
        this.#context = this.#readContext()
        this.#versions = versions
      }
    } catch {}
    return this.#context
  }

  /** Changes whenever a file changes. Empty when there are no files. */
  #readVersions (): string {
    return PARTS.flatMap(part => {
      const value = this.#settings[part]
      if (value === undefined || isPem(value)) return []
      const { mtimeMs, ino, size } = this.#read(part, () => statSync(value))
      if (size > MAX_FILE_SIZE) {
        throw new OptionsError(`option "tls.${part}" names a file of ${size} bytes; expected at most ${MAX_FILE_SIZE}`)
      }
      return [mtimeMs, ino, size]
    }).join(' ')
  }

  #readContext (): SecureContext {
    const texts: Partial<Record<typeof PARTS[number], string>> = Object.fromEntries(PARTS.flatMap(part => {
      const value = this.#settings[part]
      if (value === undefined) return []
      return [[part, isPem(value) ? value : this.#read(part, () => readFileSync(value, 'utf8'))]]
    }))
    try {
      // A context would pass over an authority that is no certificate without a word.
      const certificates = [texts.ca, texts.cert].flatMap(text => text === undefined ? [] : [new X509Certificate(text)])
      return certificates.length === 0 && texts.key === undefined ? createSecureContext() : createSecureContext(texts)
    } catch (error) {
      // OpenSSL's message names the mistake. It does not quote the key.
      const { code } = error as { code?: string }
      throw new OptionsError(`option "tls" cannot be used (${code ?? 'invalid'}); ` +
        'expected PEM texts, or paths of PEM files, of which "tls.key" belongs to "tls.cert"')
    }
  }

  #read<T> (part: string, read: () => T): T {
    try {
      return read()
    } catch (error) {
      const { code } = error as { code?: string }
      // The value is not quoted: it may be a key whose first line is missing.
      throw new OptionsError(`option "tls.${part}" names a file that cannot be read (${code ?? 'unknown error'}); ` +
        'expected a PEM text or the path of a PEM file')
    }
  }
}

function isPem (value: string): boolean {
  return value.includes('-----BEGIN ')
}
