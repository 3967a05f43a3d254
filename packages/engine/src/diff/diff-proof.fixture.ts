import { connect, type Database } from '@imhotep/postgres'
import { emptyDatabase } from '../../../../tests/support/database.ts'
import { compareCatalogs, type Difference } from '../catalog/compare.ts'
import { readCatalog } from '../catalog/live.ts'
import type { Catalog } from '../catalog/model.ts'
import { isNotTold } from './changes.ts'
import { diffCatalogs, type DiffOptions } from './diff-catalogs.ts'
import type { DiffStatement } from './diff-statement.ts'
import { inThreeParts } from './new-values-first.ts'

export interface Proof {
  readonly statements: readonly DiffStatement[]
  /** What is still different after the statements have run on the left side. */
  readonly differences: readonly Difference[]
}

/** Runs the statements between two schemas on a server, those that can be one transaction as one; for tests only. */
export async function proveDiff(left: string, right: string, options: DiffOptions): Promise<Proof> {
  const wanted = await onNewDatabase((db) => catalogAfter(db, [right]))
  return onNewDatabase(async (db) => {
    const statements = await diffCatalogs(await catalogAfter(db, [left]), wanted, options)
    const { first, inside, last } = inThreeParts(statements)
    const scripts = (own: readonly DiffStatement[]) => own.map(({ sql }) => sql)
    const reached = await catalogAfter(db, [...scripts(first), 'begin', ...scripts(inside), 'commit', ...scripts(last)])
    return { statements, differences: compareCatalogs(reached, wanted, { ignore: isNotTold }) }
  })
}

async function catalogAfter(db: Database, scripts: readonly string[]): Promise<Catalog> {
  const connection = await db.dedicated()
  try {
    for (const script of scripts) {
      await connection.script(script).catch((error: unknown) => {
        throw new Error(`${script}\n${String(error)}`, { cause: error })
      })
    }
  } finally {
    await connection.release()
  }
  return readCatalog(db)
}

async function onNewDatabase<T>(work: (db: Database) => Promise<T>): Promise<T> {
  await using database = await emptyDatabase()
  const db = connect(database.url, { max: 1 })
  try {
    return await work(db)
  } finally {
    await db.close()
  }
}
