/** How a failure is told apart by programs: exit code 1 is "no", exit code 2 is "could not tell". */
export type ExitCode = 1 | 2

export interface ImhotepErrorOptions extends ErrorOptions {
  /** An instruction that leads out: what to run or change. Never patient data, never a secret. */
  readonly hint?: string
}

/**
 * Base of every error that Imhotep raises on purpose. `code` is public and stable; the wording of `message` is not.
 * Each code is listed in docs/reference/errors.md, a test compares the two.
 */
export abstract class ImhotepError extends Error {
  abstract readonly code: `IMH_${string}`
  /** What the command line exits with when nobody handles the error. */
  readonly exitCode: ExitCode = 1
  readonly hint: string | undefined

  constructor(message: string, options: ImhotepErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = new.target.name
    this.hint = options.hint
  }
}

/** The caller asked for something that has no meaning: an unknown option, module, version or file. */
export class UsageError extends ImhotepError {
  readonly code = 'IMH_USAGE'
  override readonly exitCode = 2
}
