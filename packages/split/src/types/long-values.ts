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

/** A type of MariaDB or MySQL without a limit that the rows of a table share. */
export function isLongText(sourceType: string): boolean {
  return ['text', 'mediumtext', 'longtext'].includes(parseSourceType(sourceType).base)
}
