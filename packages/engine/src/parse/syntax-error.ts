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
  /** What helps where the text was written for another program; null where the statement is simply wrong. */
  readonly advice: string | null

  constructor(reason: string, place: SyntaxErrorPlace, text: string) {
    const frame = codeFrame(text, place.line, place.column)
    const advice = adviceAt(text, place.offset)
    super(`${place.file}:${place.line}:${place.column}: ${reason}\n${frame}`, {
      hint: `${advice ?? `correct ${place.file} at line ${place.line}`}; nothing was run`,
    })
    this.advice = advice
    this.file = place.file
    this.line = place.line
    this.column = place.column
    this.offset = place.offset
    this.reason = reason
    this.frame = frame
  }
}

const placeholder = /\$\{([\w.:-]+)\}|(@[A-Za-z]\w*|:['"]?[A-Za-z_]\w*['"]?|\{\{[^{}\n]+\}\})/y

function adviceAt(text: string, offset: number): string | null {
  if (/^\\\w/.test(text.slice(offset, offset + 2))) {
    return 'take the line out; of an export of pg_dump, imhotep baseline makes a migration'
  }
  placeholder.lastIndex = offset
  const [, flyways, other] = placeholder.exec(text) ?? []
  if (flyways !== undefined) {
    return `give the placeholder a value: --placeholder ${flyways}=VALUE, or placeholders in the config file`
  }
  return other === undefined ? null : `${other} is a placeholder of another program: let that fill it in first`
}
