import { qualifiedName, type Catalog } from '../model.ts'
import { commentOf, IN_USER_SCHEMA, notOfExtension } from './fragments.ts'

/** Sequences that somebody made; those behind identity columns are part of the column. */
export const sequencesQuery = `
  select n.nspname::text as schema, c.relname::text as name, pg_catalog.format_type(s.seqtypid, null) as type,
    pg_catalog.pg_get_userbyid(c.relowner)::text as owner,
    ${commentOf('pg_class', 'c.oid')} as comment,
    (
      select tn.nspname || '.' || t.relname || '.' || a.attname
      from pg_catalog.pg_depend d
        join pg_catalog.pg_class t on t.oid = d.refobjid
        join pg_catalog.pg_namespace tn on tn.oid = t.relnamespace
        join pg_catalog.pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
      where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objid = c.oid and d.deptype = 'a'
        and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
    ) as owned_by
  from pg_catalog.pg_sequence s
    join pg_catalog.pg_class c on c.oid = s.seqrelid
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where ${IN_USER_SCHEMA} and ${notOfExtension('pg_class', 'c.oid')} and not exists (
    select from pg_catalog.pg_depend d
    where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objid = c.oid and d.deptype = 'i'
  )
  order by 1, 2`

export interface SequenceRow {
  schema: string
  name: string
  type: string
  owner: string
  comment: string | null
  owned_by: string | null
}

export function addSequences(catalog: Catalog, rows: SequenceRow[]): void {
  for (const { owned_by, ...row } of rows) {
    catalog.sequences.set(qualifiedName(row.schema, row.name), { ...row, ownedBy: owned_by, grants: [] })
  }
}
