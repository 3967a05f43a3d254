import type { Connection } from '@imhotep/postgres'
import type { MovedTable } from '../model.ts'
import { readLayout, type End } from './layout.ts'
import { identifier } from './sql-text.ts'

interface SequenceRow {
  readonly sequence: string
  readonly column: string
  readonly increment: number | string
}

/** Sequences of identity columns, owned ones, and those that a column's default names. */
const sequencesQuery = `
  select distinct format('%I.%I', n.nspname, s.relname) as sequence, a.attname as column, q.seqincrement as increment
    from pg_class s
    join pg_namespace n on n.oid = s.relnamespace
    join pg_sequence q on q.seqrelid = s.oid
    join lateral (
      select d.refobjsubid as attnum from pg_depend d
       where d.classid = 'pg_class'::regclass and d.objid = s.oid and d.deptype in ('a', 'i')
         and d.refclassid = 'pg_class'::regclass and d.refobjid = $1
      union
      select f.adnum from pg_attrdef f join pg_depend d on d.classid = 'pg_attrdef'::regclass and d.objid = f.oid
       where f.adrelid = $1 and d.refclassid = 'pg_class'::regclass and d.refobjid = s.oid) o on true
    join pg_attribute a on a.attrelid = $1 and a.attnum = o.attnum
   where s.relkind = 'S' and a.atttypid = any ('{20,21,23,1700}'::oid[])`

/** See `Side.advanceSequences`. A sequence that is ahead already stays where it is. */
export async function advanceSequences(
  session: Connection,
  tables: readonly MovedTable[],
  gap: number,
  end: End,
): Promise<void> {
  for (const table of tables) {
    const { oid, sql } = await readLayout(session, table, end)
    for (const { sequence, column, increment } of await session.query<SequenceRow>(sequencesQuery, [oid])) {
      const [farthest, nearest, room] =
        Number(increment) > 0
          ? ['max', 'greatest', `least(v + $2, q.seqmax)`]
          : ['min', 'least', `greatest(v - $2, q.seqmin)`]
      await session.query(
        `select setval($1::regclass, ${nearest}(${room}, case when s.is_called then s.last_value end)::int8)
           from (select ${farthest}(${identifier(column)})::numeric as v from ${sql}) t, ${sequence} s, pg_sequence q
          where q.seqrelid = $1::regclass and t.v is not null`,
        [sequence, gap],
      )
    }
  }
}
