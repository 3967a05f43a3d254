import { migrationStatus } from '@imhotep/engine'
import type { SplitPlan } from '../plan/split-plan.ts'
import { ledgerDatabase, type Split } from '../split.ts'
import type { Deployment } from './split-status.ts'

export interface Separation extends Pick<Deployment, 'ownUser' | 'migrations'> {
  readonly canEnter: readonly string[]
}

const nothing: Separation = { ownUser: false, migrations: 'none', canEnter: [] }

/** What the server of the services says about their databases, by name of the database. */
export async function readSeparation(split: Split, plan: SplitPlan): Promise<(database: string) => Separation> {
  const databases = plan.services.map(({ database }) => database)
  const rows = await split.databaseOf(ledgerDatabase).query<{
    database: string
    ownUser: boolean
    canEnter: string[]
  }>(
    `select d.datname as database,
            coalesce(r.rolcanlogin and not r.rolsuper, false) as "ownUser",
            array(select o.datname::text from pg_database o
                   where o.datname = any ($2) and o.oid <> d.oid and r.oid is not null
                     and has_database_privilege(r.oid, o.oid, 'connect') order by 1) as "canEnter"
       from pg_database d left join pg_roles r on r.rolname = d.datname || '_app'
      where d.datname = any ($1)`,
    [databases, [...databases, ledgerDatabase]],
  )
  const found = new Map<string, Separation>()
  for (const { database, ...roles } of rows) {
    const { name } = plan.services.find((service) => service.database === database) ?? { name: '' }
    found.set(database, { ...roles, migrations: await migrationsOf(split, name, database) })
  }
  return (database) => found.get(database) ?? nothing
}

async function migrationsOf(split: Split, service: string, database: string): Promise<Deployment['migrations']> {
  const directory = split.migrationsOf(service)
  const { versions, chainBrokenAt } = await migrationStatus(split.adminUrl(database), { directory })
  if (versions.every(({ state }) => state === 'pending')) return 'none'
  return chainBrokenAt === null && versions.every(({ state }) => state === 'applied') ? 'clean' : 'unclean'
}
