// The error that ends a command that moves a policy.

/** A policy cannot be read from Permit's API or written there. The message is for people, and has no key and no attributes in it. */
export class MovingError extends Error {
  override readonly name = 'MovingError'
}
