// Whether a secret that somebody sent is the one that is expected, told without telling how near it was.
import { createHash, timingSafeEqual } from 'node:crypto'

/**
 * A comparison with one secret.
 *
 * Hashes are compared, not secrets: they are of one length, so the time that it takes says nothing about the secret, its length included.
 */
export function secretCheck (secret: string): (given: string) => boolean {
  const expected = sha256(secret)
  return given => timingSafeEqual(sha256(given), expected)
}

function sha256 (text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
