import type { Connection, Database, Transaction } from '@imhotep/postgres'

/**
 * A second connection in a transaction of its own, taken back at the end, that sees exactly what `first` sees: a
 * transaction that is repeatable read, and outside of a savepoint.
 */
export async function withSameSnapshot<T>(
  db: Database,
  first: Transaction,
  work: (second: Connection) => Promise<T>,
): Promise<T> {
  const [row] = await first.query<{ snapshot: string }>('select pg_catalog.pg_export_snapshot() as snapshot')
  const second = await db.dedicated()
  try {
    await second.script(`begin isolation level repeatable read; set transaction snapshot '${row?.snapshot}'`)
    const result = await work(second)
    await second.script('rollback')
    return result
  } finally {
    await second.release()
  }
}
