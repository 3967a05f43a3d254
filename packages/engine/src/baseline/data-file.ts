import { createWriteStream, type WriteStream } from 'node:fs'
import { once } from 'node:events'
import { quoteLiteral } from '../bundle/quote.ts'
import type { VerifyPolicy } from '../verify/policy.ts'
import { tenantRow } from './additions/kernel.ts'
import { quoteKey } from '../print/sql-text.ts'
import type { DataSink } from './dump.ts'
import { DataTooLargeError } from './errors.ts'
import { readDump } from './read-dump.ts'

export interface DataFileOptions {
  readonly policy: VerifyPolicy
  /** Tables that got the tenant column and hold rows, `schema.name`; their rows get the tenant `tenant`. */
  readonly tenantTables: readonly string[]
  readonly tenant?: string | undefined
  /** Only rows of these schemas. */
  readonly schemas?: readonly string[] | undefined
  readonly signal?: AbortSignal | undefined
}

/** A migration is read as a whole and kept in the history: what is larger belongs to psql. */
const LARGEST = 256 * 1024 * 1024

/**
 * Writes the rows of an export as a migration: COPY becomes inserts of many rows, which `imhotep migrate` can run. Triggers
 * and foreign keys are off for it, as they are when pg_dump's own order is restored; that needs a superuser.
 * @throws DataTooLargeError
 */
export async function writeDataFile(dump: string, file: string, options: DataFileOptions): Promise<{ rows: number }> {
  const output = createWriteStream(file)
  try {
    const writer = new InsertWriter(output, options.schemas)
    const column = quoteKey(options.policy.tenantColumn)
    const tables = options.tenant === undefined ? [] : options.tenantTables
    await writer.line('-- Rows of the export. Written by imhotep baseline; runs once, as a superuser.')
    await writer.line('set local session_replication_role = replica; -- no trigger and no foreign key fires')
    for (const table of tables)
      await writer.line(
        `alter table ${quoteKey(table)} alter column ${column} set default ${quoteLiteral(options.tenant ?? '')};`,
      )
    if (options.tenant !== undefined) await writer.line(`${tenantRow(options.policy, options.tenant)};`)
    const read = await readDump(dump, { data: writer, ...(options.signal ? { signal: options.signal } : {}) })
    for (const sql of read.sequenceValues) if (writer.isWanted(sequenceOf(sql))) await writer.line(sql)
    for (const table of tables) await writer.line(`alter table ${quoteKey(table)} alter column ${column} drop default;`)
    for (const [refresh, view = ''] of read.text.matchAll(/^REFRESH MATERIALIZED VIEW (\S+);$/gm))
      if (writer.isWanted(view)) await writer.line(refresh)
    return { rows: writer.rows }
  } finally {
    output.end()
    await once(output, 'close')
  }
}

function sequenceOf(setval: string): string {
  return /setval\('([^']+)'/.exec(setval)?.[1] ?? ''
}

const ROWS_PER_STATEMENT = 500
const BYTES_PER_STATEMENT = 1 << 20

class InsertWriter implements DataSink {
  readonly #output: WriteStream
  readonly #schemas: readonly string[] | undefined
  #written = 0
  #target = ''
  #pending: string[] = []
  #pendingSize = 0
  #skips = false
  #isInside = false
  rows = 0

  constructor(output: WriteStream, schemas: readonly string[] | undefined) {
    this.#output = output
    this.#schemas = schemas
  }

  /** `name` is as the export writes it: `public.t`, `"Odd".t`. */
  isWanted(name: string): boolean {
    if (this.#schemas === undefined || this.#schemas.length === 0) return true
    const [, quoted, plain] = /^(?:"((?:[^"]|"")+)"|([^."]+))\./.exec(name) ?? []
    return this.#schemas.includes(quoted?.replaceAll('""', '"') ?? plain ?? 'public')
  }

  async line(text: string): Promise<void> {
    this.#written += text.length
    if (this.#written > LARGEST) throw new DataTooLargeError(LARGEST)
    if (!this.#output.write(`${text}\n`)) await once(this.#output, 'drain')
  }

  async insertLine(line: string, ends: boolean): Promise<void> {
    if (!this.#isInside) this.#skips = !this.isWanted(line.replace(/^INSERT INTO /, ''))
    this.#isInside = !ends
    if (this.#skips) return
    if (ends) this.rows++
    await this.line(line)
  }

  copyStart(target: string): void {
    this.#target = target
    this.#skips = !this.isWanted(target)
  }

  async copyRow(line: string): Promise<void> {
    if (this.#skips) return
    this.rows++
    const row = `(${copyFields(line).join(', ')})`
    this.#pending.push(row)
    this.#pendingSize += row.length
    if (this.#pending.length >= ROWS_PER_STATEMENT || this.#pendingSize >= BYTES_PER_STATEMENT) await this.copyEnd()
  }

  async copyEnd(): Promise<void> {
    const rows = this.#pending
    this.#pending = []
    this.#pendingSize = 0
    if (rows.length === 0) return
    // A table without columns has one kind of row.
    if (!/\([^)]/.test(this.#target)) {
      for (const _ of rows) await this.line(`insert into ${this.#target.replace(/ ?\(\)$/, '')} default values;`)
      return
    }
    // COPY writes identity columns whatever they say.
    await this.line(`insert into ${this.#target} overriding system value values\n${rows.join(',\n')};`)
  }
}

/** The fields of a row in COPY's text form, as SQL literals. */
export function copyFields(line: string): string[] {
  return line.split('\t').map((field) => (field === '\\N' ? 'null' : quoteLiteral(unescapeField(field))))
}

function unescapeField(field: string): string {
  if (!field.includes('\\')) return field
  return field.replace(
    /\\(?:([0-7]{1,3})|x([0-9a-fA-F]{1,2})|([^]))/g,
    (_, octal?: string, hex?: string, char?: string) => {
      if (octal !== undefined) return String.fromCharCode(parseInt(octal, 8))
      if (hex !== undefined) return String.fromCharCode(parseInt(hex, 16))
      return ESCAPES[char ?? ''] ?? char ?? ''
    },
  )
}

const ESCAPES: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' }
