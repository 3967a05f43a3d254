import { parseSql, type ParsedStatement } from '../../parse/parse-sql.ts'
import { walkTree } from '../../parse/walk.ts'

/** One statement as it is sent: its bindings are literals in the text. */
export interface SentStatement {
  readonly text: string
  /** Null for a text that PostgreSQL's grammar refuses. */
  readonly parsed: ParsedStatement | null
}

/**
 * Takes a text with `$1` and its bindings apart into statements without parameters. The literals carry no type, as
 * parameters do, so that the server chooses the same types.
 */
export async function sentStatements(
  sql: string,
  bindings: readonly unknown[],
  file: string,
): Promise<readonly SentStatement[]> {
  const { statements, errors } = await parseSql(sql, file)
  if (errors.length > 0) return [{ text: sql, parsed: null }]
  return statements.map((parsed) => ({ text: fill(sql, parsed, bindings), parsed }))
}

function fill(sql: string, { node, start, end }: ParsedStatement, bindings: readonly unknown[]): string {
  const parameters: { at: number; number: number }[] = []
  walkTree(node, (tag, { location, number }) => {
    if (tag === 'ParamRef') parameters.push({ at: Number(location ?? 0), number: Number(number ?? 0) })
  })
  let text = ''
  let from = start
  for (const { at, number } of parameters.toSorted((a, b) => a.at - b.at)) {
    if (number < 1 || number > bindings.length) continue // the server says what is wrong with it
    text += sql.slice(from, at) + literal(bindings[number - 1])
    from = at + `$${number}`.length
  }
  return text + sql.slice(from, end)
}

/** A value as an SQL literal, encoded as the driver pg encodes a parameter. */
export function literal(value: unknown): string {
  const text = encode(value)
  if (text === null) return 'null'
  const quoted = `'${text.replaceAll("'", "''").replaceAll('\\', '\\\\')}'`
  return text.includes('\\') ? `E${quoted}` : quoted
}

function encode(value: unknown): string | null {
  if (value === null || value === undefined) return null
  if (typeof value === 'string') return value
  if (typeof value !== 'object') return `${value as number | boolean | bigint}`
  if (ArrayBuffer.isView(value)) return bytes(value)
  if (value instanceof Date) return localTime(value)
  if (Array.isArray(value)) return `{${value.map(element).join(',')}}`
  const { toPostgres } = value as { toPostgres?: unknown }
  if (typeof toPostgres === 'function') return encode(toPostgres.call(value, encode))
  return JSON.stringify(value)
}

function element(value: unknown): string {
  if (value === null || value === undefined) return 'NULL'
  if (Array.isArray(value)) return `{${value.map(element).join(',')}}`
  return `"${(encode(value) ?? '').replaceAll(/["\\]/g, String.raw`\$&`)}"`
}

function bytes({ buffer, byteOffset, byteLength }: ArrayBufferView): string {
  return `\\x${Buffer.from(buffer, byteOffset, byteLength).toString('hex')}`
}

/** Local time with its offset: a column without time zone keeps what the clock on the wall shows. */
function localTime(date: Date): string {
  const minutes = -date.getTimezoneOffset()
  const local = new Date(date.getTime() + minutes * 60_000).toISOString().replace('Z', '')
  const size = Math.abs(minutes)
  const pad = (number: number) => String(number).padStart(2, '0')
  return `${local}${minutes < 0 ? '-' : '+'}${pad(Math.floor(size / 60))}:${pad(size % 60)}`
}
