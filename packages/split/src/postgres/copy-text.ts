import type { Key } from '../model.ts'
import type { Layout } from './layout.ts'

/** What a chunk may take at most, unless one row takes more: nothing but the rows themselves tells how far a server packs values. */
export const mostChunkBytes = 64 * 1024 * 1024

const newline = 10
const escapes: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' }

/** Number of the rows that COPY wrote in text form, and the key of the last one. */
export function readText(text: Buffer, { keyAt }: Layout): { readonly rows: number; readonly last: Key | null } {
  if (text.length === 0) return { rows: 0, last: null }
  return { rows: countRows(text), last: lastKey(text, keyAt) }
}

/** Without the beginning of a row that was not read to its end. */
export function wholeLines(text: Buffer): Buffer {
  return text.subarray(0, text.lastIndexOf(newline) + 1)
}

/** The key of the last row; `keyAt` are the positions of its columns. */
export function lastKey(text: Buffer, keyAt: readonly number[]): Key {
  const last = lastRow(text)
  return keyAt.map((at) => last[at] as string)
}

/** Line ends inside of values are escaped. */
function countRows(text: Buffer): number {
  let rows = 0
  for (let at = text.indexOf(newline); at >= 0; at = text.indexOf(newline, at + 1)) rows++
  return rows
}

/** Values of the last row. */
function lastRow(text: Buffer): (string | null)[] {
  const start = text.lastIndexOf(newline, text.length - 2) + 1
  return text
    .toString('utf8', start, text.length - 1)
    .split('\t')
    .map(readValue)
}

function readValue(text: string): string | null {
  if (text === '\\N') return null
  return text.replace(/\\(.)/gs, (_, char: string) => escapes[char] ?? char)
}
