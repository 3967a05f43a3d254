import { findDependencies } from '../../deps/find-dependencies.ts'
import { SHARED_READ, type OwnedTable } from '../../map/owner-map.ts'
import { tableId, type SharedTable, type TableName } from '../../model.ts'
import { readSharedCatalog } from '../../postgres/catalog.ts'
import { judgeProblems, notApplicable, type GuideTest } from '../guide-test.ts'
import type { ServiceFacts } from '../service-facts.ts'

export const noQueryAcross: GuideTest = {
  name: 'no query across services',
  asks: "do views, routines and triggers of the service's database use its own tables and copies only?",
  async run(facts) {
    if (!facts.isCopied) return notApplicable('its tables are not all made yet')
    const catalog = await readSharedCatalog(facts.own)
    // What a service may read of another can stand there as a view of what its events told.
    const views = new Set(catalog.views.map(tableId))
    const tables = tablesOf(facts, catalog.tables).filter(({ table }) => !views.has(tableId(table)))
    const { dependencies, unknown } = await findDependencies({
      catalog: { ...catalog, tables: tables.map(({ table }) => table) },
      dialect: 'postgres',
      map: { services: [], tables, moved: [] },
      home: facts.service.name,
    })
    return judgeProblems(
      [
        ...dependencies
          .filter(({ settled }) => !settled)
          .map(
            ({ kind, from, to, wayOut }) =>
              `${kind} ${from.object} uses ${to.service}: ${to.table.name} (way out: ${wayOut})`,
          ),
        ...unknown.map(({ kind, object, reason }) => `nobody can tell what ${kind} ${object} uses: ${reason}`),
      ],
      `${catalog.views.length} views, ${catalog.routines.length} routines and ${catalog.triggers.length} triggers stay inside`,
    )
  },
}

export const noTransactionAcross: GuideTest = {
  name: 'no transaction across services',
  asks: 'is there nothing in the database with which a transaction could reach another one?',
  async run({ own }) {
    const rows = await own.query<{ what: string }>(
      `select 'extension ' || extname as what from pg_extension where extname in ('dblink', 'postgres_fdw', 'mysql_fdw', 'tds_fdw')
       union all select 'foreign server ' || srvname from pg_foreign_server
       union all select 'a transaction prepared ' || to_char(prepared, 'YYYY-MM-DD HH24:MI') from pg_prepared_xacts
                  where database = current_database()`,
    )
    return judgeProblems(
      rows.map(({ what }) => `${what}: call the other service or announce an event instead`),
      'no dblink, no foreign server, no prepared transaction',
    )
  },
}

/** The tables of the database, and those of other services as if they were here, so that their names are known. */
function tablesOf({ plan, service }: ServiceFacts, present: readonly SharedTable[]): OwnedTable[] {
  const there = new Map(present.map((table) => [tableId(table), table]))
  const owned = (name: TableName, owner: string, copies: readonly string[]): OwnedTable => ({
    table: there.get(tableId(name)) ?? absent(name),
    owner,
    copies,
    key: [],
    zeroDate: () => null,
  })
  return [
    ...service.reference.map(({ target }) => owned(target, SHARED_READ, [])),
    ...plan.services.flatMap(({ name, tables, copies }) =>
      tables.map(({ target }) =>
        owned(target, name, copies.find(({ table }) => tableId(table.target) === tableId(target))?.readers ?? []),
      ),
    ),
  ]
}

function absent({ schema, name }: TableName): SharedTable {
  return { schema, name, columns: [], primaryKey: [], indexes: [], foreignKeys: [], rows: 0, bytes: 0 }
}
