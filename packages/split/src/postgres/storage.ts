import type { Transaction } from '@imhotep/postgres'
import { tableId, type MovedTable } from '../model.ts'
import type { TableStorage } from '../side.ts'
import type { End } from './layout.ts'
import { qualified, withPartitions } from './sql-text.ts'

interface StorageRow extends TableStorage {
  readonly place: number
}

/** See `Side.storage`. TRUNCATE gives a table a new file, and so does whatever writes it anew. */
export async function readStorage(
  db: Transaction,
  tables: readonly MovedTable[],
  end: End,
): Promise<Record<string, TableStorage>> {
  const rows = await db.query<StorageRow>(
    `select place::int4 as place, to_regclass(name)::oid::text as identity,
            (select md5(string_agg(concat_ws(' ', c.oid, c.relfilenode), ',' order by c.oid))
               from pg_class c
              where c.oid in (select oid from ${withPartitions('name')} p)) as files,
            -- one that was away for a while is another row
            (select coalesce(md5(string_agg(concat_ws(' ', i.inhrelid, i.xmin), ',' order by i.inhrelid)), '')
               from ${withPartitions('name')} p join pg_inherits i on i.inhrelid = p.oid
              where p.level > 0) as parts
       from unnest($1::text[]) with ordinality t(name, place)
      where to_regclass(name) is not null`,
    [tables.map((table) => qualified(table[end]))],
  )
  return Object.fromEntries(
    rows.map(({ place, ...storage }) => [tableId((tables[place - 1] as MovedTable).source), storage]),
  )
}
