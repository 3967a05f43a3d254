import { ImhotepError } from '@imhotep/base'
import { CancelledError, FileError, UnexpectedError } from '../errors.ts'
import { redact } from './redact.ts'

/** What a failed command says, as text or in `error` of the JSON object. */
export interface Failure {
  readonly code: string
  readonly message: string
  readonly hint: string | null
  readonly exitCode: number
}

/** Ctrl-C ends with what shells expect of it. */
const EXIT_INTERRUPTED = 130

const FILE_HINTS: Readonly<Record<string, string>> = {
  EACCES: 'give this user the right to write there, or work in another directory',
  EPERM: 'give this user the right to write there, or work in another directory',
  EROFS: 'the file system is read-only: work in another directory',
  ENOSPC: 'the disk is full: make room and run it again',
  ENOENT: 'check the path',
  EEXIST: 'a file is in the way: move it, or choose another path',
  ENOTDIR: 'a part of the path is a file: check the path',
  EISDIR: 'the path is a directory: name a file',
}

/** Turns whatever was thrown into what may be shown: a code, a sentence, a way out, no password. */
export function describeFailure(error: unknown, cancelled: boolean): Failure {
  const known = toImhotepError(error, cancelled)
  return {
    code: known.code,
    message: redact(known.message),
    hint: known.hint === undefined ? null : redact(known.hint),
    exitCode: cancelled ? EXIT_INTERRUPTED : known.exitCode,
  }
}

function toImhotepError(error: unknown, cancelled: boolean): ImhotepError {
  if (error instanceof ImhotepError) return error
  if (cancelled) return new CancelledError({ cause: error })
  if (!(error instanceof Error)) return new UnexpectedError(String(error), { cause: error })
  const hint = FILE_HINTS[(error as NodeJS.ErrnoException).code ?? '']
  if (hint !== undefined) return new FileError(error.message, hint, { cause: error })
  return new UnexpectedError(error.message, { cause: error })
}

export function failureText(failure: Failure): string {
  const hint = failure.hint === null ? '' : `hint: ${failure.hint}\n`
  return `error: ${failure.message}\n${hint}code: ${failure.code}\n`
}
