import { connect, describeTarget, type Database } from '@imhotep/postgres'
import { quoteIdentifier } from '../bundle/quote.ts'
import type { Catalog } from '../catalog/model.ts'
import { quoteKey } from '../print/sql-text.ts'
import type { DataSink } from './dump.ts'
import { readDump } from './read-dump.ts'

/** Loads the rows of an export as they stand there: COPY as COPY, inserts as inserts; no trigger and no foreign key runs. */
export async function loadRows(target: Database, file: string): Promise<void> {
  const { database } = describeTarget(target.url)
  await target.query(`alter database ${quoteIdentifier(database)} set session_replication_role = replica`)
  const db = connect(target.url, { applicationName: 'imhotep', max: 1 })
  try {
    const { sequenceValues } = await readDump(file, { data: new RowLoader(db) })
    for (const sql of sequenceValues) await db.query(sql.replace(/;$/, ''))
  } finally {
    await db.close()
    await target.query(`alter database ${quoteIdentifier(database)} reset session_replication_role`)
  }
}

const BATCH = 1 << 22

class RowLoader implements DataSink {
  readonly #db: Database
  #target = ''
  #rows: string[] = []
  #size = 0
  #insert: string[] = []

  constructor(db: Database) {
    this.#db = db
  }

  async insertLine(line: string, ends: boolean): Promise<void> {
    this.#insert.push(line)
    if (!ends) return
    await this.#db.query(this.#insert.join('\n').replace(/;$/, ''))
    this.#insert = []
  }

  copyStart(target: string): void {
    this.#target = target
  }

  async copyRow(line: string): Promise<void> {
    this.#rows.push(`${line}\n`)
    this.#size += line.length
    if (this.#size > BATCH) await this.copyEnd()
  }

  async copyEnd(): Promise<void> {
    if (this.#rows.length > 0) await this.#db.copyFrom(`copy ${this.#target} from stdin`, this.#rows)
    this.#rows = []
    this.#size = 0
  }
}

/** Compares what the export holds of each table, column for column; the order of rows does not matter. */
export async function compareRows(
  left: Database,
  right: Database,
  catalog: Pick<Catalog, 'tables'>,
): Promise<{ readonly object: string; readonly message: string }[]> {
  const found: { object: string; message: string }[] = []
  for (const [name, table] of catalog.tables) {
    if (table.partitionKey !== null) continue
    const columns = [...table.columns.keys()].map(quoteIdentifier).join(', ')
    const sql =
      `select count(*)::text as count, coalesce(sum(pg_catalog.hashtextextended(row(${columns})::text, 0)), 0)::text as digest ` +
      `from only ${quoteKey(name)}`
    const [[a], [b]] = await Promise.all([left.query<Digest>(sql), right.query<Digest>(sql)])
    if (a?.count === b?.count && a?.digest === b?.digest) continue
    found.push({ object: `table ${name}`, message: `${b?.count} rows, ${a?.count} in the export, or other contents` })
  }
  return found
}

interface Digest {
  readonly count: string
  readonly digest: string
}
