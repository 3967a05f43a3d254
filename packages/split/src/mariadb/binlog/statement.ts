import type { TableName } from '../../model.ts'
import { ownStatement } from '../sql-text.ts'
import type { QueryEvent } from './event.ts'
import { plainSql, sqlModes } from './plain-sql.ts'

export type LoggedStatement =
  /** 'rollback to' takes back what stands in the log before it. */
  | { readonly kind: 'begin' | 'commit' | 'rollback' | 'rollback to' | 'harmless' }
  /** Tables that are emptied by TRUNCATE. */
  | { readonly kind: 'truncate'; readonly tables: readonly TableName[] }
  /** Tables whose structure changes. */
  | { readonly kind: 'structure'; readonly tables: readonly TableName[] }
  /** A change of rows as a statement; nobody can tell which rows. In one of these databases, or called from it. */
  | { readonly kind: 'rows'; readonly databases: readonly string[] }
  | { readonly kind: 'database'; readonly name: string }
  /** Whatever it does, perhaps to one of these. */
  | { readonly kind: 'unknown'; readonly verb: string; readonly tables: readonly TableName[] }

const letter = String.raw`[\w$\u0080-\uffff]`
// with an end: numbers in hex may be of any length
const part = `(?:\`(?:[^\`]|\`\`)+\`|"(?:[^"]|"")+"|${letter}{1,64})`
const name = String.raw`(${part}(?:\s*\.\s*${part})?)`
const names = new RegExp(name, 'gu')
const qualifiers = new RegExp(String.raw`(?<!${letter})(${part})\s*\.\s*${part}`, 'gu')
const ifExists = String.raw`(?:if\s+(?:not\s+)?exists\b\s*)?`

const patterns = {
  settings: /^set\s+statement\b/iu,
  partsOfSettings: new RegExp(
    String.raw`"[^"]*"|\x60[^\x60]*\x60|[()]|\d{1,64}(?:\.\d{0,64})?(?:e[+-]?\d{1,64})?|@?${letter}{1,64}`,
    'giu',
  ),
  truncate: new RegExp(String.raw`^truncate\b\s*(?:table\b\s*)?${name}`, 'iu'),
  drop: new RegExp(String.raw`^drop\s+tables?\b\s*${ifExists}(.*)$`, 'isu'),
  rename: new RegExp(String.raw`^rename\s+tables?\b\s*${ifExists}(.*)$`, 'isu'),
  alter: new RegExp(String.raw`^alter\s+(?:online\s+)?(?:ignore\s+)?table\b\s*${ifExists}${name}(.*)$`, 'isu'),
  keysOnly: /^\s*(?:disable|enable)\s+keys$/iu,
  renameTo: new RegExp(String.raw`\brename\s+(?:to\s+|as\s+|=\s*)?(?!(?:column|index|key)\b)${name}\s*$`, 'isu'),
  exchange: new RegExp(String.raw`\b(?:with|convert)\s+table\b\s*${name}`, 'isu'),
  create: new RegExp(String.raw`^create\s+(?:or\s+replace\s+)?table\b\s*${ifExists}${name}`, 'iu'),
  index: new RegExp(
    String.raw`^(?:create|drop)\s+(?:or\s+replace\s+)?(?:online\s+|offline\s+)?(?:unique\s+|fulltext\s+|spatial\s+)?index\b.*?\bon\b\s*${name}`,
    'isu',
  ),
  database: new RegExp(
    String.raw`^(?:drop|alter|create\s+or\s+replace)\s+(?:database|schema)\b\s*${ifExists}${name}`,
    'iu',
  ),
  rows: /^[(\s]*(?:insert|update|delete|replace|load|call|with|do|execute|select|analyze)\b/iu,
}

/** Of tables: such as change neither rows of InnoDB nor their shape. */
const upkeep = /^(?:analyze|optimize|repair|check|checksum)\s+(?:no_write_to_binlog\s+|local\s+)?tables?\b/iu
const harmless =
  /^(?:flush|grant|revoke|set(?!\s+statement\b)|savepoint|release|xa|install|uninstall|rename\s+user)\b/iu
/** What else can be made; the first of these words tells what it is. */
const objects =
  /^(?:create|alter|drop)\b[^(]*?\b(?:temporary|view|trigger|procedure|function|event|user|role|server|sequence|package|database|schema|(table|index))\b/iu

/**
 * What a statement in the binlog does to the tables that it names.
 * @throws RangeError when nobody can tell what in it is text
 */
export function readStatement(query: QueryEvent): LoggedStatement {
  const { sql, database } = query
  if (sql.startsWith(ownStatement)) return { kind: 'harmless' }
  const text = withoutSettings(plainText(query))
  return (
    transactionStep(text) ??
    changeOfTable(text, database) ??
    (isHarmless(text) ? { kind: 'harmless' } : changeOfRows(text, database)) ?? {
      kind: 'unknown',
      verb: verbOf(text),
      tables: Array.from(text.matchAll(names), ([found]) => tableName(found, database)),
    }
  )
}

function plainText({ sql, sqlMode }: QueryEvent): string {
  const text = plainSql(sql, sqlMode)
  if (!patterns.settings.test(text) || !/sql_mode/i.test(sql)) return text
  // The log has the mode that the statement sets; it was read under that of its session.
  if ([0, ...Object.values(sqlModes)].some((mode) => plainSql(sql, mode) !== text)) {
    throw new RangeError('a statement with backslashes sets its own sql_mode: nobody can tell where its texts end')
  }
  return text
}

/** Without SET STATEMENT ... FOR, which may stand there more than once. */
function withoutSettings(text: string): string {
  if (!patterns.settings.test(text)) return text
  let depth = 0
  for (const { 0: part, index } of text.matchAll(patterns.partsOfSettings)) {
    if (part === '(') depth++
    if (part === ')') depth--
    if (depth === 0 && part.toLowerCase() === 'for') return withoutSettings(text.slice(index + part.length).trim())
  }
  return text
}

function verbOf(text: string): string {
  return /^[a-z]+/i.exec(text)?.[0].toLowerCase() ?? ''
}

function transactionStep(text: string): LoggedStatement | null {
  const verb = verbOf(text)
  if (verb === 'begin' || /^start\s+transaction/i.test(text)) return { kind: 'begin' }
  if (verb === 'rollback') return { kind: /^rollback\s+(?:work\s+)?to\b/i.test(text) ? 'rollback to' : 'rollback' }
  return verb === 'commit' ? { kind: 'commit' } : null
}

function changeOfTable(text: string, database: string): LoggedStatement | null {
  const table = (found: string | undefined) => tableName(found ?? '', database)
  const truncated = patterns.truncate.exec(text)
  if (truncated) return { kind: 'truncate', tables: [table(truncated[1])] }
  const list = patterns.drop.exec(text)?.[1] ?? patterns.rename.exec(text)?.[1]
  if (list !== undefined) {
    return { kind: 'structure', tables: Array.from(list.matchAll(names), ([found]) => table(found)) }
  }
  const [, altered, how = ''] = patterns.alter.exec(text) ?? []
  if (altered !== undefined) {
    if (patterns.keysOnly.test(how)) return { kind: 'harmless' }
    const others = [patterns.renameTo.exec(how), patterns.exchange.exec(how)]
    return { kind: 'structure', tables: [altered, ...others.flatMap((found) => found?.[1] ?? [])].map(table) }
  }
  const other = patterns.create.exec(text) ?? patterns.index.exec(text)
  if (other) return { kind: 'structure', tables: [table(other[1])] }
  const dropped = patterns.database.exec(text)
  return dropped ? { kind: 'database', name: table(dropped[1]).name } : null
}

function isHarmless(text: string): boolean {
  if (text === '' || upkeep.test(text) || harmless.test(text)) return true
  const object = objects.exec(text.replace(/`[^`]*`|"[^"]*"/g, ' '))
  return object !== null && object[1] === undefined
}

function changeOfRows(text: string, database: string): LoggedStatement | null {
  if (!patterns.rows.test(text)) return null
  const named = Array.from(text.matchAll(qualifiers), ([, found]) => tableName(found ?? '', '').name)
  return { kind: 'rows', databases: [database, ...new Set(named)] }
}

function tableName(found: string, database: string): TableName {
  const parts = Array.from(
    found.matchAll(/`((?:[^`]|``)+)`|"((?:[^"]|"")+)"|([^\s.`"]+)/g),
    ([, quoted, ansi, plain = '']) => quoted?.replaceAll('``', '`') ?? ansi?.replaceAll('""', '"') ?? plain,
  )
  return parts.length > 1
    ? { schema: parts[0] ?? '', name: parts[1] ?? '' }
    : { schema: database, name: parts[0] ?? '' }
}
