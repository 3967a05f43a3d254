import { ImhotepError } from '@imhotep/base'
import { codeFrame } from './code-frame.ts'

export interface SyntaxErrorPlace {
  readonly file: string
  readonly line: number
  readonly column: number
  /** UTF-16 units from the start of the file. */
  readonly offset: number
}

/** A statement that PostgreSQL's grammar refuses; `message` ends with a code frame that shows the place. */
export class SqlSyntaxError extends ImhotepError {
  readonly code = 'IMH_SQL_SYNTAX'
  readonly file: string
  readonly line: number
  readonly column: number
  readonly offset: number
  /** What the grammar said, without place and code frame. */
  readonly reason: string
  readonly frame: string

  constructor(reason: string, place: SyntaxErrorPlace, text: string) {
    const frame = codeFrame(text, place.line, place.column)
    super(`${place.file}:${place.line}:${place.column}: ${reason}\n${frame}`, {
      hint: `correct ${place.file} at line ${place.line}; nothing was run`,
    })
    this.file = place.file
    this.line = place.line
    this.column = place.column
    this.offset = place.offset
    this.reason = reason
    this.frame = frame
  }
}
