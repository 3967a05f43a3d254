import { connect } from '@imhotep/postgres'
import { emptyDatabase } from '../../../../tests/support/database.ts'
import { splitSql } from '../parse/split-sql.ts'
import { compareCatalogs, type Difference } from './compare.ts'
import { foldFiles, type FoldOptions } from './files.ts'
import { readCatalog } from './live.ts'
import type { Catalog } from './model.ts'

export interface BothCatalogs {
  readonly live: Catalog
  readonly folded: Catalog
  /** Without roles, which are the server's. */
  readonly differences: Difference[]
}

/** What PostgreSQL makes of a text, and what folding it gives. */
export async function bothCatalogs(sql: string, options: FoldOptions = {}): Promise<BothCatalogs> {
  await using database = await emptyDatabase()
  const db = connect(database.url)
  try {
    const connection = await db.dedicated()
    for (const part of parts(sql)) await connection.script(part)
    await connection.script('discard all')
    await connection.release()
    const live = await readCatalog(db)
    const { serverVersion } = database
    const folded = await foldFiles([{ path: 'x.sql', text: sql }], { serverVersion, ...options })
    const differences = compareCatalogs(folded, live, { ignore: ({ object }) => object.startsWith('role ') })
    return { live, folded, differences }
  } finally {
    await db.close()
  }
}

/** Sent as a whole, a text is one transaction until its first COMMIT or ROLLBACK; with those in it goes piece by piece, as from psql. */
function parts(sql: string): string[] {
  const spans = splitSql(sql)
  const isOne = !spans.some(({ start, end }) => /^(begin|commit|rollback)$/i.test(sql.slice(start, end)))
  return isOne ? [sql] : spans.map(({ start, end }) => sql.slice(start, end))
}
