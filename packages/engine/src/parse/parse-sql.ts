import { byteOffsets, characterOffset, lineColumns, sameOffset } from './offsets.ts'
import { loadParser, parseRaw, type Node } from './parser.ts'
import { skipBlank, splitSql, type Span } from './split-sql.ts'
import { SqlSyntaxError } from './syntax-error.ts'

/** One statement with its parse tree and place. All offsets, also the `location`s inside `node`, count UTF-16 units of the file. */
export interface ParsedStatement {
  /** Tag of the parse tree's root, for example `CreateStmt`. */
  readonly kind: string
  /** `{ [kind]: ... }`, so that `'CreateStmt' in statement.node` narrows its type. */
  readonly node: Node
  /** The statement without leading comments and without its semicolon. */
  readonly text: string
  readonly start: number
  readonly end: number
  /** Counted from 1. */
  readonly line: number
  /** Counted from 1. */
  readonly column: number
}

export interface ParsedFile {
  readonly file: string
  readonly text: string
  readonly statements: ParsedStatement[]
  readonly errors: SqlSyntaxError[]
}

/**
 * Parses a file with PostgreSQL's own grammar. A broken statement becomes an entry of `errors`, the others are still
 * returned; nothing is thrown for bad SQL.
 */
export async function parseSql(text: string, file: string): Promise<ParsedFile> {
  await loadParser()
  return parseSqlNow(text, file)
}

/** The same when `loadParser` has finished. */
export function parseSqlNow(text: string, file: string): ParsedFile {
  const place = lineColumns(text)
  const statements: ParsedStatement[] = []
  const errors: SqlSyntaxError[] = []
  const fail = (reason: string, offset: number) => {
    errors.push(new SqlSyntaxError(reason, { file, offset, ...place(offset) }, text))
  }

  // A NUL would end the text for the grammar (written in C) and hide the rest of the file.
  const nul = text.indexOf('\0')
  if (nul >= 0) {
    fail('invalid character NUL', nul)
    return { file, text, statements, errors }
  }

  const source = text.startsWith('\ufeff') ? ` ${text.slice(1)}` : text
  const add = ({ node, start, end }: Located) => {
    const kind = Object.keys(node)[0] ?? ''
    statements.push({ kind, node, text: text.slice(start, end), start, end, ...place(start) })
  }
  const whole = parseParts(source) ?? parseSpan(source, { start: 0, end: source.length })
  if (Array.isArray(whole)) {
    for (const located of whole) add(located)
    return { file, text, statements, errors }
  }

  for (const span of splitSql(source)) {
    const piece = parseSpan(source, span)
    if (Array.isArray(piece)) for (const located of piece) add(located)
    else fail(piece.reason, piece.offset)
  }
  // The splitter and the grammar disagree: never let a file pass that PostgreSQL refuses as a whole.
  if (errors.length === 0) fail(whole.reason, whole.offset)
  return { file, text, statements, errors }
}

/** UTF-16 units. */
const PART_LENGTH = 8_192
/** Where a statement begins, by the looks of it. */
const NEXT_STATEMENT = /;\n+(?=(?:alter|comment|create|do|drop|grant|insert|revoke|select|set|update)\b|--)/gi

/**
 * Parses a long text in parts, null when one of them does not parse: V8 ends a call into WASM in the code it began it with,
 * which is the slow one when the first call is the only one. A part that parses ends outside of quotes, comments and
 * bodies, so that the parts hold what the whole does.
 */
function parseParts(source: string): Located[] | null {
  const statements: Located[] = []
  for (let start = 0; start < source.length;) {
    NEXT_STATEMENT.lastIndex = start + PART_LENGTH
    const end = NEXT_STATEMENT.test(source) ? NEXT_STATEMENT.lastIndex : source.length
    const part = parseSpan(source, { start, end })
    if (!Array.isArray(part)) return null
    statements.push(...part)
    start = end
  }
  return statements
}

interface Located extends Span {
  readonly node: Node
}

function parseSpan(source: string, span: Span): Located[] | { reason: string; offset: number } {
  const piece = source.slice(span.start, span.end)
  const result = parseRaw(piece)
  if (!Array.isArray(result)) {
    return { reason: result.message, offset: span.start + characterOffset(piece, result.character) }
  }
  const toUnits = byteOffsets(piece)
  const shift = span.start
  return result.map(({ node, start, length }) => {
    const from = skipBlank(piece, toUnits(start))
    const to = lastTokenEnd(piece, from, length === null ? piece.length : toUnits(start + length))
    if (shift > 0 || toUnits !== sameOffset) moveLocations(node, (byte) => toUnits(byte) + shift)
    return { node, start: from + shift, end: to + shift }
  })
}

/** The grammar's length runs up to the semicolon; white space and comments behind the last token are not the statement's. */
function lastTokenEnd(piece: string, from: number, to: number): number {
  if (!/[\s/]$|--/.test(piece.slice(from, to))) return to
  return from + (splitSql(piece.slice(from, to)).at(-1)?.end ?? to - from)
}

const LOCATION_KEYS = new Set([
  'location',
  'list_start',
  'list_end',
  'rexpr_list_start',
  'rexpr_list_end',
  'name_location',
  'stmt_location',
])

function moveLocations(value: unknown, move: (byte: number) => number): void {
  if (typeof value !== 'object' || value === null) return
  if (Array.isArray(value)) {
    for (const item of value) moveLocations(item, move)
    return
  }
  const record = value as Record<string, unknown>
  for (const key in record) {
    const child = record[key]
    if (typeof child === 'object') moveLocations(child, move)
    else if (typeof child === 'number' && child >= 0 && LOCATION_KEYS.has(key)) record[key] = move(child)
  }
}

/** True for the keys of a parse tree that say where something stood, not what it is. */
export function isLocationKey(key: string): boolean {
  return LOCATION_KEYS.has(key) || key === 'stmt_len'
}
