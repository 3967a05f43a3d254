import type { Database } from '@imhotep/postgres'
import { quoteIdentifier, quoteLiteral } from '../bundle/quote.ts'
import type { Catalog, Table } from '../catalog/model.ts'
import { columnList, qualified, quoteKey } from '../print/sql-text.ts'

export interface PrintedRows {
  readonly sql: readonly string[]
  readonly count: number
}

/** All rows of a database but those of the history, and where its sequences stand, as statements. */
export async function printRows(db: Database, catalog: Catalog, historyTable: string): Promise<PrintedRows> {
  const sql: string[] = []
  let count = 0
  for (const [key, table] of catalog.tables) {
    // The rows of a partitioned table are in its partitions.
    if (key === historyTable || table.partitionKey !== null) continue
    const rows = await rowsOf(db, table)
    if (rows.length === 0) continue
    count += rows.length
    sql.push(insertOf(table, rows))
  }
  return { sql: [...sql, ...(await sequencePositions(db, catalog))], count }
}

function writtenColumns({ columns }: Table): string[] {
  return [...columns.values()].filter(({ generated }) => generated === null).map(({ name }) => name)
}

async function rowsOf(db: Database, table: Table): Promise<string[]> {
  const values = writtenColumns(table).map((name) => `pg_catalog.quote_nullable(${quoteIdentifier(name)}::text)`)
  if (values.length === 0) return []
  const list = values.join(` || ', ' || `)
  const found = await db.query<{ line: string }>(`select ${list} as line from only ${qualified(table)} order by 1`)
  return found.map(({ line }) => `(${line})`)
}

function insertOf(table: Table, rows: readonly string[]): string {
  const isIdentity = [...table.columns.values()].some(({ identity }) => identity !== null)
  const overriding = isIdentity ? ' overriding system value' : ''
  const columns = columnList(writtenColumns(table))
  return `insert into ${qualified(table)} ${columns}${overriding} values\n  ${rows.join(',\n  ')}\non conflict do nothing;`
}

async function sequencePositions(db: Database, catalog: Catalog): Promise<string[]> {
  const identities = [...catalog.tables.values()].flatMap((table) =>
    [...table.columns.values()].flatMap(({ identitySequence }) => identitySequence?.name ?? []),
  )
  const found: string[] = []
  for (const key of [...catalog.sequences.keys(), ...identities]) {
    const name = quoteKey(key)
    const [row] = await db.query<{ value: string; called: boolean }>(
      `select last_value::text as value, is_called as called from ${name}`,
    )
    if (row?.called) found.push(`select pg_catalog.setval(${quoteLiteral(name)}, ${row.value});`)
  }
  return found
}
