import type { TableName } from '../../model.ts'
import { ownStatement } from '../sql-text.ts'
import type { QueryEvent } from './event.ts'

export type LoggedStatement =
  | { readonly kind: 'begin' | 'commit' | 'rollback' | 'harmless' }
  /** Tables that are emptied by TRUNCATE. */
  | { readonly kind: 'truncate'; readonly tables: readonly TableName[] }
  /** Tables whose structure changes. */
  | { readonly kind: 'structure'; readonly tables: readonly TableName[] }
  /** A change of rows as a statement; nobody can tell which rows. */
  | { readonly kind: 'rows' }
  | { readonly kind: 'database'; readonly name: string }

const part = '(?:`(?:[^`]|``)+`|[\\w$\\u0080-\\uffff]+)'
const name = String.raw`(${part}(?:\s*\.\s*${part})?)`
const ifExists = String.raw`(?:if\s+(?:not\s+)?exists\s+)?`

const patterns = {
  truncate: new RegExp(String.raw`^truncate\s+(?:table\s+)?${name}`, 'iu'),
  drop: /^drop\s+table\s+(?:if\s+exists\s+)?(.*)$/isu,
  rename: /^rename\s+tables?\s+(?:if\s+exists\s+)?(.*)$/isu,
  alter: new RegExp(String.raw`^alter\s+(?:online\s+)?(?:ignore\s+)?table\s+${ifExists}${name}(.*)$`, 'isu'),
  renameTo: new RegExp(String.raw`\brename\s+(?:to\s+|as\s+|=\s*)?(?!(?:column|index|key)\b)${name}\s*$`, 'isu'),
  create: new RegExp(String.raw`^create\s+(?:or\s+replace\s+)?table\s+${ifExists}${name}`, 'iu'),
  index: new RegExp(
    String.raw`^(?:create|drop)\s+(?:or\s+replace\s+)?(?:online\s+|offline\s+)?(?:unique\s+|fulltext\s+|spatial\s+)?index\s+.*?\bon\s+${name}`,
    'isu',
  ),
  database: new RegExp(String.raw`^(?:drop|alter)\s+(?:database|schema)\s+${ifExists}${name}`, 'iu'),
  rows: /^(?:insert|update|delete|replace|load|call|with|do|execute)\b/iu,
}

/** What a statement in the binlog does to the tables that it names. */
export function readStatement({ sql, database }: QueryEvent): LoggedStatement {
  if (sql.startsWith(ownStatement)) return { kind: 'harmless' }
  const text = withoutComments(sql)
  const word = /^[a-z]+/i.exec(text)?.[0].toLowerCase() ?? ''
  if (word === 'begin' || /^start\s+transaction/i.test(text)) return { kind: 'begin' }
  if (word === 'commit' || (word === 'rollback' && !/^rollback\s+to/i.test(text))) return { kind: word }
  if (word === 'rollback') return { kind: 'rows' }
  const table = (found: string | undefined) => tableName(found ?? '', database)
  const truncated = patterns.truncate.exec(text)
  if (truncated) return { kind: 'truncate', tables: [table(truncated[1])] }
  const list = patterns.drop.exec(text)?.[1] ?? patterns.rename.exec(text)?.[1]
  if (list !== undefined) {
    return { kind: 'structure', tables: Array.from(list.matchAll(new RegExp(name, 'gu')), ([found]) => table(found)) }
  }
  const altered = patterns.alter.exec(text)
  if (altered) {
    const renamed = patterns.renameTo.exec(altered[2] ?? '')
    return { kind: 'structure', tables: [table(altered[1]), ...(renamed ? [table(renamed[1])] : [])] }
  }
  const other = patterns.create.exec(text) ?? patterns.index.exec(text)
  if (other) return { kind: 'structure', tables: [table(other[1])] }
  const dropped = patterns.database.exec(text)
  if (dropped) return { kind: 'database', name: table(dropped[1]).name }
  return { kind: patterns.rows.test(text) ? 'rows' : 'harmless' }
}

function withoutComments(sql: string): string {
  return sql.replace(/^(?:\s+|\/\*(?!!|M!).*?\*\/|--[^\n]*\n|#[^\n]*\n)+/s, '').trim()
}

function tableName(found: string, database: string): TableName {
  const parts = Array.from(found.matchAll(/`((?:[^`]|``)+)`|([^\s.`]+)/g), ([, quoted, plain]) =>
    quoted === undefined ? (plain ?? '') : quoted.replaceAll('``', '`'),
  )
  return parts.length > 1
    ? { schema: parts[0] ?? '', name: parts[1] ?? '' }
    : { schema: database, name: parts[0] ?? '' }
}
