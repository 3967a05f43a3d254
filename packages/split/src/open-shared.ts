import { UsageError } from '@imhotep/base'
import { connect, describeTarget } from '@imhotep/postgres'
import type { LooseEnd } from './loose-keys/loose-key.ts'
import { postgresEnd } from './loose-keys/postgres-end.ts'
import type { Dialect } from './plan/plan-split.ts'
import { postgresDialect } from './plan/postgres-dialect.ts'
import { openPostgresSide } from './postgres/open-postgres-side.ts'
import type { SharedCatalog, Side } from './side.ts'

/** The shared database, whichever server it is on. */
export interface SharedSide {
  readonly side: Side
  /** Its name. */
  readonly database: string
  dialect(catalog: SharedCatalog): Dialect
  readonly looseEnd: LooseEnd
  close(): Promise<void>
}

/** @throws UsageError for a URL that is of no known kind of database */
export async function openShared(url: string): Promise<SharedSide> {
  const protocol = /^(\w+):/.exec(url)?.[1] ?? ''
  if (/^postgres(ql)?$/.test(protocol)) return openSharedPostgres(url)
  throw new UsageError('the shared database is neither mysql://, mariadb:// nor postgres://', {
    hint: 'give its connection string: --source mysql://user:password@host/database',
  })
}

async function openSharedPostgres(url: string): Promise<SharedSide> {
  const side = await openPostgresSide(url)
  const db = connect(url, { max: 2, applicationName: 'imhotep split' })
  return {
    side,
    database: describeTarget(url).database,
    dialect: () => postgresDialect(url),
    looseEnd: postgresEnd(db),
    async close() {
      await Promise.all([side.close(), db.close()])
    },
  }
}
