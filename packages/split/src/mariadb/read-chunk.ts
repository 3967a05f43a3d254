import { lastKey, mostChunkBytes } from '../postgres/copy-text.ts'
import type { Key } from '../model.ts'
import type { Chunk } from '../side.ts'
import { copyText, neutralText } from './expressions.ts'
import { inRange, orderBy } from './key-range.ts'
import type { Layout, LocalColumn } from './layout.ts'
import type { Session } from './session.ts'

/** The server takes time by the square of a text's length to escape it, and cannot print bytes of half a packet. */
const longBytes = 65_536

const tab = Buffer.from('\t')
const lineFeed = Buffer.from('\n')
const nullMark = Buffer.from(String.raw`\N`)
const hexMark = Buffer.from(String.raw`\\x`)

/** Reads chunks as COPY's text: written by the server, and by us from the first long value of a table on. */
export class ChunkReader {
  readonly #session: Session
  readonly #haveLongValues = new Set<Layout>()

  constructor(session: Session) {
    this.#session = session
  }

  async read(layout: Layout, after: Key | null, limit: number): Promise<Chunk> {
    const rows =
      ` from ${layout.sql} where ${inRange(layout, 'index', after, null)}` +
      ` order by ${orderBy(layout, 'index')} limit ${limit}`
    const written = this.#haveLongValues.has(layout)
      ? null
      : await this.#session.lines(lineOf(layout) + rows, mostChunkBytes)
    if (written === null) this.#haveLongValues.add(layout)
    const { count, text } = written ?? (await this.#write(layout, rows))
    return { rows: count, format: 'text', data: text, last: count === 0 ? null : lastKey(text, layout.keyAt) }
  }

  async #write(layout: Layout, rows: string) {
    const { columns } = layout
    const pieces: Buffer[] = []
    let count = 0
    let bytes = 0
    await this.#session.stream(`select ${columns.map(plainValue).join(', ')}${rows}`, (values) => {
      // What is left is read anew: the next chunk has as many rows as fit.
      if (bytes > mostChunkBytes) return
      count++
      for (const value of values) bytes += value?.length ?? 0
      values.forEach((value, at) => {
        if (at > 0) pieces.push(tab)
        if (value === null) pieces.push(nullMark)
        else if (isBytes(columns[at] as LocalColumn)) pieces.push(hexMark, ...hexOf(value))
        else pieces.push(escaped(value))
      })
      pieces.push(lineFeed)
    })
    return { count, text: Buffer.concat(pieces) }
  }
}

/** NULL for a row with a long value, and for one that is longer than the server lets a text be. */
function lineOf({ columns }: Layout): string {
  const line = String.raw`concat_ws('\t', ${columns.map(copyText).join(', ')})`
  const long = columns.filter(({ type }) => /^(medium|long)(text|blob)$|^json$/.test(type.base))
  if (long.length === 0) return `select ${line}`
  return `select if(${long.map(({ sql }) => `length(${sql}) > ${longBytes}`).join(' or ')}, null, ${line})`
}

function plainValue(column: LocalColumn): string {
  return isBytes(column) ? column.sql : neutralText(column)
}

function isBytes({ family }: LocalColumn): boolean {
  return family === 'bytes'
}

function escaped(value: Buffer): Buffer {
  const text = value.toString('latin1')
  if (!/[\\\t\n\r]/.test(text)) return value
  return Buffer.from(text.replace(/[\\\t\n\r]/g, escape), 'latin1')
}

function escape(char: string): string {
  return char === '\t' ? '\\t' : char === '\n' ? '\\n' : char === '\r' ? '\\r' : '\\\\'
}

/** In parts: a string holds half of what a value may. */
function hexOf(value: Buffer): Buffer[] {
  const parts: Buffer[] = []
  for (let at = 0; at < value.length; at += 1 << 20) {
    parts.push(Buffer.from(value.toString('hex', at, at + (1 << 20)), 'latin1'))
  }
  return parts
}
