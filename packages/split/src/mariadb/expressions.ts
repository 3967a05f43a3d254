import { mayBeLong, shortened } from '../types/long-values.ts'
import { nullMarks } from '../types/null-marks.ts'
import { fraction } from '../types/source-type.ts'
import type { LocalColumn } from './layout.ts'
import { quoteText } from './sql-text.ts'
import { insteadOfZeroDate } from './zero-date.ts'

/** The value as PostgreSQL reads it, null for NULL. */
export function neutralText(column: LocalColumn): string {
  const { family, target, sql } = column
  // another number than 0 and 1 stays one, for PostgreSQL to refuse
  if (target === 'boolean') return `case ${sql} when 0 then 'f' when 1 then 't' else ${sql} + 0 end`
  if (family === 'float') return `${sql} + 0e0`
  if (family === 'bit' || family === 'year' || column.type.zerofill) return `${sql} + 0`
  if (isMoment(column)) return family === 'timestamp' ? `concat(${momentText(column)}, '+00')` : momentText(column)
  if (family === 'bytes') return String.raw`concat('\\x', lower(hex(${sql})))`
  // of two types the server would choose this one for all, and make null of a text
  if (family === 'uuid' || family === 'inet') return `cast(${sql} as char)`
  if (target === 'text[]') return `concat('{', ${arrayItems(column, sql)}, '}')`
  return utf8(column, sql)
}

/** The value in COPY's text form, never NULL. */
export function copyText(column: LocalColumn): string {
  const escaped = escapedText(column)
  return column.notNull && column.moved.zeroDate === undefined ? escaped : String.raw`ifnull(${escaped}, '\\N')`
}

function escapedText(column: LocalColumn): string {
  const { family, sql } = column
  // hex digits hold nothing to escape but the mark in front
  if (family === 'bytes') return String.raw`concat('\\\\x', hex(${sql}))`
  // PostgreSQL reads zeros at the end of a fraction as well
  if (isMoment(column)) return cleaned(column, family === 'timestamp' ? `concat(${sql}, '+00')` : sql)
  return holdsAnyText(column) ? escape(neutralText(column)) : neutralText(column)
}

/**
 * The text of a value that both servers write the same way (split.md 4); null for NULL. Of jsonb the text as it is here.
 */
export function digestText(column: LocalColumn): string {
  const { family, sql } = column
  // adding nothing makes -0 a 0
  if (family === 'float' || family === 'double') return `${sql} + 0e0`
  if (family === 'bit' || family === 'year' || column.target === 'boolean' || column.type.zerofill) return `${sql} + 0`
  if (isMoment(column)) return momentText(column)
  if (family === 'bytes') return /blob/.test(column.type.base) ? `md5(${sql})` : `lower(hex(${sql}))`
  // the two servers shorten addresses in different ways
  if (family === 'inet') return `lower(hex(cast(${sql} as binary(${column.type.base === 'inet4' ? 4 : 16}))))`
  const text = utf8(column, sql)
  return column.target !== 'jsonb' && mayBeLong(column.target, column.moved.sourceType) ? shortened(text) : text
}

/** Tells which values of a row are null, as PostgreSQL does for the same row. */
export function nullMarksOf(columns: readonly LocalColumn[]): string[] {
  return nullMarks(
    columns.map((column) =>
      column.notNull && column.moved.zeroDate === undefined ? null : `${cleaned(column, column.sql)} is null`,
    ),
  )
}

/** True for dates that PostgreSQL does not have: 0000-00-00, 2024-00-10, 2024-02-31, and the year 0. */
export function isZeroDate(sql: string): string {
  return (
    `(year(${sql}) = 0 or month(${sql}) = 0 or dayofmonth(${sql}) = 0 or ` +
    `dayofmonth(${sql}) > dayofmonth(last_day(date_format(${sql}, '%Y-%m-01'))))`
  )
}

/** With the policy for dates that PostgreSQL does not have. */
function cleaned(column: LocalColumn, text: string): string {
  const instead = insteadOfZeroDate(column)
  if (instead === undefined) return text
  return `if(${isZeroDate(column.sql)}, ${instead === null ? 'null' : quoteText(instead)}, ${text})`
}

function isMoment({ family }: LocalColumn): boolean {
  return ['date', 'time', 'datetime', 'timestamp'].includes(family)
}

/** As PostgreSQL prints it: a fraction without zeros at the end. */
function momentText(column: LocalColumn): string {
  const { type, family, sql } = column
  const digits = family === 'date' ? 0 : fraction(type)
  const short = `trim(trailing '.' from trim(trailing '0' from ${sql}))`
  // of many moments nothing but zeros: to cut them off is cheaper than to look for the last digit
  const whole = `left(${sql}, length(${sql}) - ${digits + 1})`
  return cleaned(column, digits === 0 ? sql : `if(microsecond(${sql}) = 0, ${whole}, ${short})`)
}

function utf8({ charset }: LocalColumn, sql: string): string {
  return charset === null || charset.startsWith('utf8') ? sql : `convert(${sql} using utf8mb4)`
}

/** What could hold a tab, a line end or a backslash. */
function holdsAnyText({ family, type }: LocalColumn): boolean {
  if (family === 'text' || family === 'json') return true
  return (family === 'enum' || family === 'set') && type.labels.some((label) => /[\\\t\n\r"]/.test(label))
}

/** Most texts hold nothing to escape: to look once is cheaper than to replace four times. */
function escape(sql: string): string {
  const escaped = String.raw`replace(replace(replace(replace(${sql}, '\\', '\\\\'), '\t', '\\t'), '\n', '\\n'), '\r', '\\r')`
  return String.raw`if(${sql} regexp '[\\\\\t\n\r]', ${escaped}, ${sql})`
}

/** Labels of a set never hold a comma. */
function arrayItems(column: LocalColumn, sql: string): string {
  const text = utf8(column, sql)
  const hasSpecial = column.type.labels.some((label) => /["\\]/.test(label))
  const safe = hasSpecial ? String.raw`replace(replace(${text}, '\\', '\\\\'), '"', '\\"')` : text
  return `if(${sql} = '', '', concat('"', replace(${safe}, ',', '","'), '"'))`
}
