import type { Value } from '../model.ts'

/** A message of pgoutput, protocol version 1. https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html */
export type LogMessage =
  | { readonly kind: 'begin'; readonly committedAt: Date }
  | { readonly kind: 'commit'; readonly end: bigint }
  | { readonly kind: 'origin'; readonly name: string }
  | { readonly kind: 'relation'; readonly relation: LogRelation }
  | { readonly kind: 'insert'; readonly relation: number; readonly row: Value[] }
  | { readonly kind: 'update'; readonly relation: number; readonly old: OldRow | null; readonly row: Value[] }
  | { readonly kind: 'delete'; readonly relation: number; readonly old: OldRow }
  | { readonly kind: 'truncate'; readonly relations: readonly number[] }
  /** Types, and messages that others wrote into the log. */
  | { readonly kind: 'other' }

export interface LogRelation {
  readonly id: number
  readonly schema: string
  readonly name: string
  readonly columns: readonly LogColumn[]
}

export interface LogColumn {
  readonly name: string
  readonly type: number
  readonly modifier: number
}

/** What the log says of a row before its change. */
export interface OldRow {
  /** All columns, or only those of the replica identity while others are null. */
  readonly complete: boolean
  readonly values: Value[]
}

/** Microseconds between 1970 and 2000, where PostgreSQL's clock begins. */
const epochMicroseconds = 946_684_800_000_000n

export function readInstant(microseconds: bigint): Date {
  return new Date(Number((microseconds + epochMicroseconds) / 1000n))
}

export function decodeMessage(buffer: Buffer): LogMessage {
  const reader = new Reader(buffer)
  switch (reader.char()) {
    case 'B':
      reader.int64() // where the commit is
      return { kind: 'begin', committedAt: readInstant(reader.int64()) }
    case 'C':
      reader.int8() // flags
      reader.int64() // where the commit is
      return { kind: 'commit', end: reader.int64() }
    case 'O':
      reader.int64() // position on the origin
      return { kind: 'origin', name: reader.text() }
    case 'R':
      return { kind: 'relation', relation: reader.relation() }
    case 'I': {
      const relation = reader.int32()
      reader.char() // N
      return { kind: 'insert', relation, row: reader.tuple() }
    }
    case 'U': {
      const relation = reader.int32()
      const marker = reader.char()
      if (marker === 'N') return { kind: 'update', relation, old: null, row: reader.tuple() }
      const old = { complete: marker === 'O', values: reader.tuple() }
      reader.char() // N
      return { kind: 'update', relation, old, row: reader.tuple() }
    }
    case 'D': {
      const relation = reader.int32()
      const complete = reader.char() === 'O'
      return { kind: 'delete', relation, old: { complete, values: reader.tuple() } }
    }
    case 'T': {
      const count = reader.int32()
      reader.int8() // cascade, restart identity
      return { kind: 'truncate', relations: Array.from({ length: count }, () => reader.int32()) }
    }
    default:
      return { kind: 'other' }
  }
}

class Reader {
  readonly #buffer: Buffer
  #at = 0

  constructor(buffer: Buffer) {
    this.#buffer = buffer
  }

  char(): string {
    return String.fromCharCode(this.int8())
  }

  int8(): number {
    return this.#buffer.readUInt8(this.#at++)
  }

  int16(): number {
    this.#at += 2
    return this.#buffer.readUInt16BE(this.#at - 2)
  }

  int32(): number {
    this.#at += 4
    return this.#buffer.readUInt32BE(this.#at - 4)
  }

  int64(): bigint {
    this.#at += 8
    return this.#buffer.readBigInt64BE(this.#at - 8)
  }

  /** Up to a zero byte. */
  text(): string {
    const end = this.#buffer.indexOf(0, this.#at)
    const text = this.#buffer.toString('utf8', this.#at, end)
    this.#at = end + 1
    return text
  }

  relation(): LogRelation {
    const id = this.int32()
    const schema = this.text() || 'pg_catalog'
    const name = this.text()
    this.int8() // replica identity
    const columns = Array.from({ length: this.int16() }, () => {
      this.int8() // part of the replica identity
      return { name: this.text(), type: this.int32(), modifier: this.int32() }
    })
    return { id, schema, name, columns }
  }

  tuple(): Value[] {
    const values: Value[] = []
    for (let count = this.int16(); count > 0; count--) values.push(this.value())
    return values
  }

  value(): Value {
    const marker = this.char()
    if (marker === 'n') return null
    // A long value that did not change stays where it is.
    if (marker === 'u') return undefined
    const length = this.int32()
    this.#at += length
    return this.#buffer.toString('utf8', this.#at - length, this.#at)
  }
}
