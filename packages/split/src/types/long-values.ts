import { createHash } from 'node:crypto'
import { parseSourceType } from './source-type.ts'

/**
 * Longer ones stand in the text of a row by their own digest: no server can make one text of many rows with long values.
 * In bytes of UTF-8.
 */
const longValueBytes = 1000

/** SQL for a text, or for its digest when it is long, that both servers understand. */
export function shortened(sql: string): string {
  return `case when octet_length(${sql}) > ${longValueBytes} then md5(${sql}) else ${sql} end`
}

/** The same of a text that is here. */
export function shortenedText(text: string): string {
  return Buffer.byteLength(text) > longValueBytes ? md5(text) : text
}

export function md5(text: string): string {
  return createHash('md5').update(text).digest('hex')
}

/** Of MariaDB's or MySQL's columns those without a limit that the rows of a table share. `type` is the one on PostgreSQL. */
export function mayBeLong(type: string, sourceType: string): boolean {
  if (type === 'json' || type === 'jsonb') return true
  return type === 'text' && ['text', 'mediumtext', 'longtext'].includes(parseSourceType(sourceType).base)
}
