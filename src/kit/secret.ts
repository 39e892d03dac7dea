// Constant-time comparison of a received secret with the expected one.
import { createHash, timingSafeEqual } from 'node:crypto'

/**
 * Returns a function that compares a text with the secret.
 *
 * It compares hashes, which all have the same length, so its timing reveals nothing about the secret, not even its length.
 */
export function secretCheck (secret: string): (given: string) => boolean {
  const expected = sha256(secret)
  return given => timingSafeEqual(sha256(given), expected)
}

function sha256 (text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
