import type { Cursor } from './cursor.ts'

const two = (n: number) => String(n).padStart(2, '0')

/** A day, or null for one that PostgreSQL does not have. */
export function dayText(year: number, month: number, day: number): string | null {
  if (year === 0 || month === 0 || day === 0 || day > daysOf(year, month)) return null
  return `${String(year).padStart(4, '0')}-${two(month)}-${two(day)}`
}

function daysOf(year: number, month: number): number {
  if (month !== 2) return [4, 6, 9, 11].includes(month) ? 30 : 31
  return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0 ? 29 : 28
}

/** DATE: three bytes. */
export function readDate(cursor: Cursor): string | null {
  const packed = cursor.uint(3)
  return dayText(packed >> 9, (packed >> 5) & 15, packed & 31)
}

/** DATETIME(n): five bytes from 5.6 on, the fraction behind. */
export function readDatetime2(cursor: Cursor, fraction: number): string | null {
  const packed = cursor.uintBE(5) - 0x80_0000_0000
  const date = Math.floor(packed / 2 ** 17)
  const time = packed % 2 ** 17
  const month = Math.floor(date / 32)
  const day = dayText(Math.floor(month / 13), month % 13, date % 32)
  const clock = clockText(time >> 12, (time >> 6) & 63, time & 63) + readFraction(cursor, fraction)
  return day === null ? null : `${day} ${clock}`
}

/** DATETIME of older tables: a number that reads like the date. */
export function readDatetime(cursor: Cursor): string | null {
  const low = cursor.uint(4)
  const packed = cursor.uint(4) * 2 ** 32 + low
  const [date, time] = [Math.floor(packed / 1_000_000), packed % 1_000_000]
  const day = dayText(Math.floor(date / 10_000), Math.floor(date / 100) % 100, date % 100)
  return day === null
    ? null
    : `${day} ${clockText(Math.floor(time / 10_000), Math.floor(time / 100) % 100, time % 100)}`
}

/** TIMESTAMP(n) in UTC; null is 0000-00-00. */
export function readTimestamp(seconds: number, cursor: Cursor, fraction: number): string | null {
  const behind = readFraction(cursor, fraction)
  if (seconds === 0 && behind === '') return null
  return `${new Date(seconds * 1000).toISOString().slice(0, 19).replace('T', ' ')}${behind}+00`
}

/** TIME(n): three bytes, and the fraction counted with them when it is negative. */
export function readTime2(cursor: Cursor, fraction: number): string {
  const size = fractionBytes(fraction)
  const offset = 0x80_0000 * 256 ** size
  const packed = cursor.uintBE(3 + size) - offset
  const value = Math.abs(packed)
  const seconds = Math.floor(value / 256 ** size)
  const sign = packed < 0 ? '-' : ''
  const clock = clockText((seconds >> 12) & 1023, (seconds >> 6) & 63, seconds & 63)
  return `${sign}${clock}${fractionText(value % 256 ** size, size)}`
}

/** TIME of older tables. */
export function readTime(cursor: Cursor): string {
  const packed = cursor.int(3)
  const value = Math.abs(packed)
  return `${packed < 0 ? '-' : ''}${clockText(Math.floor(value / 10_000), Math.floor(value / 100) % 100, value % 100)}`
}

function clockText(hours: number, minutes: number, seconds: number): string {
  return `${two(hours)}:${two(minutes)}:${two(seconds)}`
}

function readFraction(cursor: Cursor, fraction: number): string {
  const size = fractionBytes(fraction)
  return fractionText(cursor.uintBE(size), size)
}

function fractionBytes(fraction: number): number {
  return Math.ceil(fraction / 2)
}

/** Two digits a byte; without zeros at the end, as PostgreSQL prints it. */
function fractionText(value: number, size: number): string {
  const digits = String(value)
    .padStart(size * 2, '0')
    .replace(/0+$/, '')
  return value === 0 ? '' : `.${digits}`
}
