import type { Connection } from '@imhotep/postgres'
import type { MovedTable } from '../model.ts'
import { MovedTableMissingError } from './errors.ts'
import type { End } from './layout.ts'
import { dropIndexes } from './own-indexes.ts'
import { withShortLocks } from './session.ts'
import { identifier, literal, qualified, withPartitions } from './sql-text.ts'

interface SequenceRow {
  readonly sequence: string
  readonly table: string
  readonly column: string
  readonly increment: number | string
  /** What would tell the greatest value at once. */
  readonly index: string
}

const indexPrefix = 'imhotep_split_last_'
/** A smaller table is read in a moment. */
const leastBytes = 32 * 1024 * 1024

/** Sequences of identity columns, owned ones, and those that a column's default names; `more` is asked of each. */
const sequencesQuery = (more = 'true') => `
  with moved as (select name, to_regclass(name)::oid as oid from unnest($1::text[]) name),
  used as (
    select d.objid as sequence, d.refobjid as relation, d.refobjsubid as attnum from pg_depend d
     where d.classid = 'pg_class'::regclass and d.deptype in ('a', 'i')
       and d.refclassid = 'pg_class'::regclass and d.refobjid in (select oid from moved)
    union
    select d.refobjid, f.adrelid, f.adnum
      from pg_attrdef f join pg_depend d on d.classid = 'pg_attrdef'::regclass and d.objid = f.oid
     where f.adrelid in (select oid from moved) and d.refclassid = 'pg_class'::regclass)
  select format('%I.%I', n.nspname, s.relname) as sequence, moved.name as table, a.attname as column,
         q.seqincrement as increment, own.index, ${more}
    from used
    cross join lateral (select format('${indexPrefix}%s_%s', used.relation, used.attnum) as index) own
    join pg_class s on s.oid = used.sequence and s.relkind = 'S'
    join pg_namespace n on n.oid = s.relnamespace
    join pg_sequence q on q.seqrelid = s.oid
    join moved on moved.oid = used.relation
    join pg_attribute a on a.attrelid = used.relation and a.attnum = used.attnum
   where a.atttypid = any ('{20,21,23,1700}'::oid[])`

const isSlow = (least: number) => `
  not exists (select from pg_index i join pg_class x on x.oid = i.indexrelid join pg_am m on m.oid = x.relam
               where i.indrelid = used.relation and i.indkey[0] = used.attnum and i.indisvalid and i.indpred is null
                 and m.amname = 'btree')
  and (select sum(pg_table_size(t.oid)) from ${withPartitions('moved.name')} t) >= ${least} as "isSlow"`

/** See `Side.advanceSequences`. A sequence that is ahead already stays where it is. Clients wait: few round trips for all. */
export async function advanceSequences(
  session: Connection,
  tables: readonly MovedTable[],
  gap: number,
  end: End,
  seconds = 10,
): Promise<void> {
  const names = tables.map((table) => qualified(table[end]))
  const present = await session.query<{ found: boolean }>(
    `select to_regclass(name) is not null as found from unnest($1::text[]) with ordinality w(name, place) order by place`,
    [names],
  )
  const missing = tables.find((_, at) => present[at]?.found !== true)
  if (missing) throw new MovedTableMissingError(missing[end])
  const sequences = await session.query<SequenceRow>(sequencesQuery(), [names])
  if (sequences.length === 0) return
  const advance = sequences.map((row) => setval(row, gap)).join(';\n')
  await withShortLocks(session, () => session.script(advance), { seconds })
}

/** See `Side.prepareSequences`. */
export async function indexSequences(
  session: Connection,
  tables: readonly MovedTable[],
  end: End,
  least = leastBytes,
): Promise<void> {
  const names = tables.map((table) => qualified(table[end]))
  // The size of a table waits for its lock.
  const rows = await withShortLocks(session, () =>
    session.query<SequenceRow & { isSlow: boolean }>(sequencesQuery(isSlow(least)), [names]),
  )
  for (const { table, column, index } of rows.filter((row) => row.isSlow)) {
    const create = `create index if not exists ${identifier(index)} on ${table} (${identifier(column)})`
    await withShortLocks(session, () => session.script(create))
  }
}

/** See `Side.unprepareSequences`. Those of other services may be on their way. */
export async function dropSequenceIndexes(session: Connection, tables: readonly MovedTable[], end: End): Promise<void> {
  const rows = await session.query<{ oid: number }>(
    'select to_regclass(name)::oid as oid from unnest($1::text[]) name where to_regclass(name) is not null',
    [tables.map((table) => qualified(table[end]))],
  )
  const oids = rows.map(({ oid }) => oid).join('|')
  await dropIndexes(session, `^${indexPrefix}(${oids})_\\d+$`, { seconds: 1 })
}

function setval({ sequence, table, column, increment }: SequenceRow, gap: number): string {
  const [farthest, nearest, room] =
    Number(increment) > 0
      ? ['max', 'greatest', `least(v + ${gap}, q.seqmax)`]
      : ['min', 'least', `greatest(v - ${gap}, q.seqmin)`]
  const oid = `${literal(sequence)}::regclass`
  return `select setval(${oid}, ${nearest}(${room}, case when s.is_called then s.last_value end)::int8)
    from (select ${farthest}(${identifier(column)})::numeric as v from ${table}) t, ${sequence} s, pg_sequence q
   where q.seqrelid = ${oid} and t.v is not null`
}

/** Sequences whose next value is not behind the greatest one in use. */
export async function sequencesBehind(
  session: Connection,
  tables: readonly MovedTable[],
  end: End,
): Promise<{ readonly table: string; readonly column: string }[]> {
  const named = new Map(tables.map((table) => [qualified(table[end]), table[end].name]))
  const behind: { table: string; column: string }[] = []
  for (const row of await session.query<SequenceRow>(sequencesQuery(), [[...named.keys()]])) {
    const { sequence, table, column, increment } = row
    const [farthest, notBehind] = Number(increment) > 0 ? ['max', '<='] : ['min', '>=']
    const [found] = await session.query(
      `select from (select ${farthest}(${identifier(column)})::numeric as v from ${table}) t, ${sequence} s, pg_sequence q
        where q.seqrelid = $1::regclass
          and case when s.is_called then s.last_value + q.seqincrement else s.last_value end ${notBehind} t.v`,
      [sequence],
    )
    if (found) behind.push({ table: named.get(table) ?? table, column })
  }
  return behind
}
