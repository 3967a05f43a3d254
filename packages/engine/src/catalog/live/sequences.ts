import { qualifiedName, type Catalog } from '../model.ts'
import { commentOf, IN_USER_SCHEMA, notOfExtension } from './fragments.ts'

/** Sequences that somebody made, and those behind identity columns, which are a part of the column here. */
export const sequencesQuery = `
  select n.nspname::text as schema, c.relname::text as name, pg_catalog.format_type(s.seqtypid, null) as type,
    pg_catalog.pg_get_userbyid(c.relowner)::text as owner,
    s.seqstart::text as start, s.seqincrement::text as increment, s.seqmin::text as minimum, s.seqmax::text as maximum,
    s.seqcache::text as cache, s.seqcycle as cycle,
    ${commentOf('pg_class', 'c.oid')} as comment,
    tn.nspname || '.' || t.relname as owner_table, a.attname::text as owner_column, d.deptype = 'i' as is_identity
  from pg_catalog.pg_sequence s
    join pg_catalog.pg_class c on c.oid = s.seqrelid
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    left join (
      pg_catalog.pg_depend d
      join pg_catalog.pg_class t on t.oid = d.refobjid
      join pg_catalog.pg_namespace tn on tn.oid = t.relnamespace
      join pg_catalog.pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
    ) on d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objid = c.oid and d.deptype in ('a', 'i')
      and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
  where ${IN_USER_SCHEMA} and ${notOfExtension('pg_class', 'c.oid')}
  order by 1, 2`

export interface SequenceRow {
  schema: string
  name: string
  type: string
  owner: string
  start: string
  increment: string
  minimum: string
  maximum: string
  cache: string
  cycle: boolean
  comment: string | null
  owner_table: string | null
  owner_column: string | null
  is_identity: boolean | null
}

/** The columns must be there already. */
export function addSequences(catalog: Catalog, rows: SequenceRow[]): void {
  for (const { owner_table, owner_column, is_identity, ...row } of rows) {
    const key = qualifiedName(row.schema, row.name)
    if (is_identity) addToColumn(catalog, owner_table ?? '', owner_column ?? '', key, row)
    else {
      const ownedBy = owner_table === null ? null : `${owner_table}.${owner_column}`
      catalog.sequences.set(key, { ...row, ownedBy, grants: [] })
    }
  }
}

type Counting = Pick<SequenceRow, 'start' | 'increment' | 'minimum' | 'maximum' | 'cache' | 'cycle'>

function addToColumn(catalog: Catalog, table: string, name: string, sequence: string, row: Counting): void {
  const { start, increment, minimum, maximum, cache, cycle } = row
  const columns = catalog.tables.get(table)?.columns
  const column = columns?.get(name)
  if (!columns || !column) return
  const identitySequence = { name: sequence, start, increment, minimum, maximum, cache, cycle }
  columns.set(name, { ...column, identitySequence })
}
