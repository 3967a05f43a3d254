import type { Transaction } from '@imhotep/postgres'
import { withPartitions } from './sql-text.ts'

/** A table that would be published, or one of its partitions: each tells its own replica identity. */
export interface Identity {
  /** As it was asked for. */
  readonly table: string
  /** `schema.name` of the table or partition. */
  readonly member: string
  /** `later` of a partitioned table: what partitions that are made meanwhile will have. */
  readonly kind: 'default' | 'nothing' | 'full' | 'index' | 'later'
  /** What the log tells of a row that was changed; sorted. With `full` it is the whole row. */
  readonly columns: readonly string[]
  /** The server lets rows be updated and deleted once they are published. */
  readonly changeable: boolean
}

/** Newer servers refuse a whole row as identity when it has columns that they do not publish. */
const identitiesQuery = `
  select w.name as table, format('%s.%s', n.nspname, c.relname) as member, k.kind,
         coalesce(x.columns, '{}') as columns,
         case when k.kind <> 'full' then x.columns is not null
              else current_setting('server_version_num')::int < 180000
                   or not exists (select from pg_attribute a
                                   where a.attrelid = c.oid and a.attgenerated <> '' and not a.attisdropped) end as changeable
    from unnest($1::text[]) with ordinality w(name, place)
    cross join lateral ${withPartitions('w.name')} m
    join pg_class c on c.oid = m.oid
    join pg_namespace n on n.oid = c.relnamespace
    cross join lateral (
      select case when c.relkind = 'p' then 'later'
                  else (array['default', 'nothing', 'full', 'index'])[position(c.relreplident::text in 'dnfi')] end as kind) k
    left join lateral (
      select array_agg(a.attname::text order by a.attname::text) as columns
        from pg_index i join pg_attribute a on a.attrelid = c.oid and a.attnum = any (i.indkey[0:i.indnkeyatts - 1])
       where i.indrelid = c.oid and i.indisvalid and i.indimmediate
         and case when k.kind in ('default', 'later') then i.indisprimary else k.kind = 'index' and i.indisreplident end
      having bool_and(a.attgenerated = '')) x on true
   order by w.place, member`

/** Of qualified, quoted names. */
export function readIdentities(db: Transaction, tables: readonly string[]): Promise<Identity[]> {
  return db.query<Identity>(identitiesQuery, [tables])
}

/** Why a table must not be published: the server would refuse every UPDATE and DELETE of its rows from then on. */
export function whyUnpublishable({ kind, member, changeable }: Identity): { message: string; hint: string } | null {
  if (changeable) return null
  if (kind === 'later') {
    return {
      message: `rows of partitions of ${member} that are made meanwhile could not be changed or deleted`,
      hint: `give ${member} itself a primary key that is not deferrable`,
    }
  }
  if (kind === 'full') {
    return {
      message: `rows of ${member} could not be changed or deleted: its generated columns are in no log`,
      hint: `run: alter table ${member} replica identity using index .. (unique, of columns that are never null)`,
    }
  }
  return {
    message: `rows of ${member} could not be changed or deleted: its log would not tell which one`,
    hint: `give ${member} a primary key that is not deferrable, or run: alter table ${member} replica identity full`,
  }
}
