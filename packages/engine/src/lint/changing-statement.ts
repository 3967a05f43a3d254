import type { ParsedStatement } from '../parse/parse-sql.ts'
import type { Finding } from '../verify/finding.ts'
import type { LintedFile } from './rule.ts'

/** A statement of a pending file, or one that its code ran: that one has the place of the code. */
export interface RunStatement {
  readonly file: LintedFile
  readonly statement: ParsedStatement
  /** Tables (`schema.table`) that it changes without naming them. */
  readonly tables: readonly string[]
}

/**
 * The statement that most likely brought about what is found on an object of an applied file: of those that name the
 * object the one that has most words in common with the finding, the last of several. Null when none names it.
 */
export function changingStatement({ object, message }: Finding, ran: readonly RunStatement[]): RunStatement | null {
  if (object === null) return null
  const said = wordsOf(message)
  let best: RunStatement | null = null
  let most = 0
  for (const own of ran) {
    if (!names(own, object)) continue
    const words = knownWords(own)
    const count = [...said].filter((word) => words.has(word)).length
    if (count < most) continue
    best = own
    most = count
  }
  return best
}

function names(own: RunStatement, object: string): boolean {
  const [schema = '', name = schema] = object.toLowerCase().replace(/\(.*/s, '').split('.')
  const words = knownWords(own)
  // GRANT .. ON ALL TABLES IN SCHEMA ..
  return words.has(name) || (own.statement.kind === 'GrantStmt' && words.has('all') && words.has(schema))
}

const known = new WeakMap<RunStatement, ReadonlySet<string>>()

function knownWords(own: RunStatement): ReadonlySet<string> {
  const before = known.get(own)
  if (before) return before
  const words = wordsOf([own.statement.text, ...own.tables].join(' '))
  known.set(own, words)
  return words
}

function wordsOf(text: string): Set<string> {
  return new Set(text.toLowerCase().match(/[\p{L}\p{N}_$]+/gu))
}
