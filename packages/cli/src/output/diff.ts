import { diffScript, type DiffStatement } from '@imhotep/engine'
import { count, type Page, type Tone } from './page.ts'

export interface DiffData {
  readonly left: string
  readonly right: string
  readonly statements: readonly DiffStatement[]
  /** The migration that adds values of enums which `file` uses; null when there are none. */
  readonly fileBefore: string | null
  /** The migration that was written, null without --write. */
  readonly file: string | null
  /** The second migration: what has to be outside of the transaction that `file` is. Null when there is one file or none. */
  readonly fileOutside: string | null
  /** Only the script is printed. */
  readonly sql: boolean
}

export function printDiff({ left, right, statements, fileBefore, file, fileOutside, sql }: DiffData, page: Page): void {
  if (sql) {
    if (statements.length > 0) page.line(diffScript(statements).trimEnd())
    return
  }
  if (statements.length === 0) {
    page.line(`${left} and ${right} are the same schema`)
    return
  }
  printStatements(statements, page)
  page.line(`${count(statements.length, 'statement')} from ${left} to ${right}`)
  for (const written of [fileBefore, file, fileOutside]) if (written !== null) page.line(`written to ${written}`)
}

const TONES: Record<string, Tone> = {
  'data loss': 'bad',
  'needs a person': 'bad',
  'breaks clients': 'warn',
  rewrites: 'warn',
  locks: 'warn',
}

export function printStatements(statements: readonly DiffStatement[], page: Page): void {
  for (const { sql, hazard, reason } of statements) {
    if (hazard !== null) page.line(`${page.paint(hazard, TONES[hazard] ?? 'plain')}: ${reason}`)
    page.line(sql.startsWith('--') ? sql : `${sql};`)
  }
}
