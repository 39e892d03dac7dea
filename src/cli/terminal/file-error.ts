// An input file that cannot be used.

/** The message lists the problems, one a line, with their places in the file. */
export class FileError extends Error {
  override readonly name = 'FileError'
}
