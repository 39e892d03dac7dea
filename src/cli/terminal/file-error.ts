// A file that a command was given and cannot use, told as mistakes in a policy are: with its place and the fix.

/** The message has a line for each problem. */
export class FileError extends Error {
  override readonly name = 'FileError'
}
