import { createHash } from 'node:crypto'

const maxBytes = 63

/** Hands out names that PostgreSQL takes and that nobody else has: at most 63 bytes, each once. */
export class Names {
  readonly #taken: Set<string>
  constructor(taken: readonly string[] = []) {
    this.#taken = new Set(taken.map(shortName))
  }

  take(wanted: string): string {
    let name = shortName(wanted)
    for (let n = 2; this.#taken.has(name); n++) name = shortName(`${wanted}_${n}`)
    this.#taken.add(name)
    return name
  }
}

/** The name, or its beginning and a hash of the whole. */
export function shortName(name: string): string {
  if (Buffer.byteLength(name) <= maxBytes) return name
  const hash = createHash('sha256').update(name).digest('hex').slice(0, 8)
  let start = ''
  for (const char of name) {
    if (Buffer.byteLength(`${start}${char}_${hash}`) > maxBytes) break
    start += char
  }
  return `${start}_${hash}`
}

/** Indexes share one space of names with tables on PostgreSQL, and have one a table on MariaDB. */
export function withTable(table: string, name: string): string {
  return name === table || name.startsWith(`${table}_`) ? name : `${table}_${name}`
}
