import type { ParsedFile } from '../parse/parse-sql.ts'
import type { PlannedStatement } from './plan.ts'

/** Gives every comment of a file to the statement that it stands above or behind. */
export function attachComments(file: ParsedFile): PlannedStatement[] {
  const gaps = file.statements.map((statement, n) => {
    const from = n === 0 ? 0 : (file.statements[n - 1]?.end ?? 0)
    return splitGap(file.text.slice(from, statement.start), n > 0)
  })
  const last = splitGap(file.text.slice(file.statements.at(-1)?.end ?? 0), true)
  return file.statements.map((statement, n) => ({
    ...statement,
    leading: gaps[n]?.leading ?? '',
    trailing: (gaps[n + 1] ?? last).trailing,
    spaced: gaps[n]?.spaced ?? true,
  }))
}

interface Gap {
  /** Comment that ends the line of the statement above. */
  readonly trailing: string
  readonly leading: string
  readonly spaced: boolean
}

const PIECE = /--[^\n]*|\/\*[^]*?\*\/|\s+|./gs

function splitGap(gap: string, followsStatement: boolean): Gap {
  // Semicolons of the statement above, and of empty statements, are not text to keep.
  const text = [...gap.matchAll(PIECE)].map(([piece]) => (piece === ';' ? '' : piece)).join('')
  const lineEnd = followsStatement ? text.indexOf('\n') : -1
  const trailing = followsStatement ? text.slice(0, lineEnd < 0 ? text.length : lineEnd).trim() : ''
  const rest = followsStatement ? (lineEnd < 0 ? '' : text.slice(lineEnd)) : text
  return { trailing, leading: rest.trim(), spaced: !followsStatement || /\n[ \t]*\n/.test(rest) }
}
