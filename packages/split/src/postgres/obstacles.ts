import type { Database } from '@imhotep/postgres'
import type { MovedTable } from '../model.ts'
import type { Obstacle } from '../side.ts'
import { readIdentities, whyUnpublishable, type Identity } from './identity.ts'
import type { End } from './layout.ts'
import { qualified } from './sql-text.ts'

/** Less than this may be gone before a slow reader has come to it. */
const leastWalKeptMegabytes = 256

interface ServerRow {
  readonly version: number
  readonly walLevel: string
  readonly slotsLeft: number
  readonly sendersLeft: number
  readonly walKept: number
  readonly user: string
  readonly superuser: boolean
}

interface TableRow {
  readonly table: string
  readonly found: boolean
  readonly kind: string
  readonly persistence: string
  readonly inherits: boolean
  readonly largeObjects: boolean
  readonly nullableKey: boolean
  readonly alwaysTriggers: string[]
}

const serverQuery = `
  select current_setting('server_version_num')::int / 10000 as version,
         current_setting('wal_level') as "walLevel",
         current_setting('max_replication_slots')::int - (select count(*) from pg_replication_slots)::int as "slotsLeft",
         current_setting('max_wal_senders')::int - (select count(*) from pg_stat_replication)::int as "sendersLeft",
         (select setting::int from pg_settings where name = 'max_slot_wal_keep_size') as "walKept",
         current_user as user, rolsuper as superuser
    from pg_roles where rolname = current_user`

const tablesQuery = `
  select w.name as table, c.oid is not null as found, c.relkind::text as kind, c.relpersistence::text as persistence,
         exists (select from pg_inherits i where i.inhrelid = c.oid) and not c.relispartition
           or c.relkind = 'r' and exists (select from pg_inherits i where i.inhparent = c.oid) as inherits,
         exists (select from pg_attribute a join pg_type t on t.oid = a.atttypid
                  where a.attrelid = c.oid and not a.attisdropped and a.attnum > 0 and t.typname in ('oid', 'lo'))
           and exists (select from pg_largeobject_metadata) as "largeObjects",
         exists (select from pg_attribute a where a.attrelid = c.oid and not a.attnotnull
                    and a.attname = any (select json_array_elements_text(w.key::json))) as "nullableKey",
         array(select t.tgname::text from pg_trigger t
                where t.tgrelid = c.oid and t.tgenabled in ('A', 'R') and not t.tgisinternal) as "alwaysTriggers"
    from unnest($1::text[], $2::text[]) with ordinality w(name, key, place)
    left join pg_class c on c.oid = to_regclass(w.name)
   order by w.place`

/** See `Side.obstacles`. */
export async function findObstacles(db: Database, tables: readonly MovedTable[], end: End): Promise<Obstacle[]> {
  const names = tables.map((table) => qualified(table[end]))
  const [[server], rows, identities] = await Promise.all([
    db.query<ServerRow>(serverQuery),
    db.query<TableRow>(tablesQuery, [names, tables.map(({ key }) => JSON.stringify(key))]),
    readIdentities(db, names),
  ])
  return [
    ...(server ? serverObstacles(server) : []),
    ...tables.flatMap((table, at) => tableObstacles(table, rows[at] as TableRow, end)),
    ...tables.flatMap((table, at) =>
      identityObstacles(
        table,
        identities.filter((identity) => identity.table === names[at]),
      ),
    ),
  ]
}

function serverObstacles(server: ServerRow): Obstacle[] {
  const found: Obstacle[] = []
  const add = (code: Obstacle['code'], message: string, hint: string) => found.push({ code, message, hint })
  if (server.version < 15) {
    add('IMH_SPLIT_VERSION', `PostgreSQL ${server.version} is too old`, 'upgrade the server to version 15 or later')
  }
  if (server.walLevel !== 'logical') {
    add(
      'IMH_SPLIT_WAL_LEVEL',
      `wal_level is '${server.walLevel}'`,
      'run: alter system set wal_level = logical; then restart the server',
    )
  }
  if (server.slotsLeft < 1) {
    add(
      'IMH_SPLIT_SLOTS',
      'all replication slots are in use',
      'raise max_replication_slots and restart the server, or drop slots that nobody reads (pg_replication_slots)',
    )
  }
  if (server.sendersLeft < 1) {
    add('IMH_SPLIT_SENDERS', 'all WAL senders are in use', 'raise max_wal_senders and restart the server')
  }
  if (server.walKept >= 0 && server.walKept < leastWalKeptMegabytes) {
    add(
      'IMH_SPLIT_WAL_KEPT',
      `max_slot_wal_keep_size is ${server.walKept} MB: changes may be gone before they are read`,
      `run: alter system set max_slot_wal_keep_size = '10GB'; select pg_reload_conf()`,
    )
  }
  if (!server.superuser) {
    add(
      'IMH_SPLIT_RIGHTS',
      `'${server.user}' is not a superuser`,
      'connect as a superuser: the move reads all rows whatever policies say, and writes without firing triggers',
    )
  }
  return found
}

function tableObstacles(table: MovedTable, row: TableRow, end: End): Obstacle[] {
  const { schema, name } = table[end]
  const shown = `${schema}.${name}`
  if (!row.found) {
    return [
      { code: 'IMH_SPLIT_TABLE_MISSING', message: `table ${shown} does not exist`, hint: 'correct the owner map' },
    ]
  }
  const found: Obstacle[] = []
  const add = (code: Obstacle['code'], message: string, hint: string) => found.push({ code, message, hint })
  if (!['r', 'p'].includes(row.kind)) add('IMH_SPLIT_KIND', `${shown} is not a table`, 'take it out of the owner map')
  if (row.persistence === 'u') {
    add(
      'IMH_SPLIT_UNLOGGED',
      `${shown} is unlogged: the log has no changes of it`,
      `run: alter table ${shown} set logged`,
    )
  }
  if (row.inherits) {
    add(
      'IMH_SPLIT_INHERITS',
      `${shown} inherits or is inherited from`,
      'turn it into a partitioned table, or end the inheritance',
    )
  }
  if (row.largeObjects) {
    add(
      'IMH_SPLIT_LARGE_OBJECTS',
      `${shown} may point to large objects, which the log does not hold`,
      'move their content into a bytea column first',
    )
  }
  for (const trigger of row.alwaysTriggers) {
    add(
      'IMH_SPLIT_TRIGGER',
      `trigger ${trigger} of ${shown} fires for replicated rows as well`,
      `run: alter table ${shown} enable trigger ${trigger}`,
    )
  }
  if (table.key.length === 0) {
    add(
      'IMH_SPLIT_NO_KEY',
      `${shown} has no primary key`,
      `add one, or declare it in the owner map: ${name}: { key: [..] }`,
    )
  } else if (row.nullableKey) {
    add(
      'IMH_SPLIT_NULLABLE_KEY',
      `a key column of ${shown} may be null`,
      `run: alter table ${shown} alter column .. set not null`,
    )
  }
  return found
}

/** Of a table without any key that alone is told. */
function identityObstacles({ key, columns }: MovedTable, identities: readonly Identity[]): Obstacle[] {
  if (key.length === 0) return []
  const wanted = key.toSorted().join()
  return identities.flatMap((identity) => {
    const unpublishable = whyUnpublishable(identity)
    if (unpublishable) return [{ code: 'IMH_SPLIT_REPLICA_IDENTITY', ...unpublishable }]
    const isTold = ['full', 'later'].includes(identity.kind)
      ? key.every((name) => columns.some((column) => column.name === name))
      : identity.columns.join() === wanted
    if (isTold) return []
    return [
      {
        code: 'IMH_SPLIT_REPLICA_IDENTITY',
        message: `the log of ${identity.member} does not tell the key (${key.join(', ')}) of a changed row`,
        hint: `run: alter table ${identity.member} replica identity full`,
      },
    ]
  })
}
