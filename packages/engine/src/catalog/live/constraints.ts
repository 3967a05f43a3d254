import { qualifiedName, type Catalog, type Constraint } from '../model.ts'
import { withoutIndexOptions } from '../without-index-options.ts'
import { columnsNamed, type ColumnNumbers } from './column-numbers.ts'
import { IN_USER_SCHEMA } from './fragments.ts'

/**
 * NOT NULL constraints (rows of their own since PostgreSQL 18) are a property of the column here. The rows that a
 * foreign key to a partitioned table adds for each partition are left out: they say nothing new.
 */
export const constraintsQuery = `
  with recursive switched_off as (
    select k.oid, k.conrelid, k.conparentid, t.tgrelid
    from pg_catalog.pg_trigger t join pg_catalog.pg_constraint k on k.oid = t.tgconstraint
    where t.tgenabled in ('D', 'R') and t.tgisinternal and k.contype = 'f'
    union
    select parent.oid, parent.conrelid, parent.conparentid, s.tgrelid
    from switched_off s
      join pg_catalog.pg_constraint parent on parent.oid = s.conparentid and parent.conrelid = s.conrelid
  )
  select n.nspname::text as schema, c.relname::text as table_name, k.conname::text as name, k.contype::text as kind,
    pg_catalog.pg_get_constraintdef(k.oid) as definition,
    k.conkey as columns, k.confkey as referenced_columns, fn.nspname || '.' || f.relname as "references",
    k.confdeltype::text as on_delete, k.confupdtype::text as on_update,
    k.condeferrable as deferrable, k.condeferred as initially_deferred, k.convalidated as validated,
    e.description as comment, (
      select pg_catalog.array_agg(distinct dn.nspname || '.' || d.relname)
      from switched_off s
        join pg_catalog.pg_class d on d.oid = s.tgrelid
        join pg_catalog.pg_namespace dn on dn.oid = d.relnamespace
      where s.oid = k.oid
    ) as disabled_on
  from pg_catalog.pg_constraint k
    join pg_catalog.pg_class c on c.oid = k.conrelid
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    left join pg_catalog.pg_class f on f.oid = k.confrelid
    left join pg_catalog.pg_namespace fn on fn.oid = f.relnamespace
    left join pg_catalog.pg_constraint parent on parent.oid = k.conparentid
    left join pg_catalog.pg_description e
      on e.classoid = 'pg_catalog.pg_constraint'::pg_catalog.regclass and e.objoid = k.oid and e.objsubid = 0
  where k.contype in ('p', 'u', 'f', 'c', 'x') and ${IN_USER_SCHEMA}
    and not (k.contype = 'f' and parent.oid is not null and parent.conrelid = k.conrelid)
  order by 1, 2, 3`

export interface ConstraintRow {
  schema: string
  table_name: string
  name: string
  kind: 'p' | 'u' | 'f' | 'c' | 'x'
  definition: string
  columns: number[] | null
  referenced_columns: number[] | null
  references: string | null
  on_delete: string
  on_update: string
  deferrable: boolean
  initially_deferred: boolean
  validated: boolean
  comment: string | null
  disabled_on: string[] | null
}

const KINDS = { p: 'primary key', u: 'unique', f: 'foreign key', c: 'check', x: 'exclude' } as const

const ACTIONS: Record<string, Constraint['onDelete']> = {
  a: 'no action',
  r: 'restrict',
  c: 'cascade',
  n: 'set null',
  d: 'set default',
}

export function addConstraints(catalog: Catalog, rows: ConstraintRow[], numbers: ColumnNumbers): void {
  for (const row of rows) {
    const table = qualifiedName(row.schema, row.table_name)
    const columns = columnsNamed(numbers, table, row.columns)
    const constraint: Constraint = {
      name: row.name,
      kind: KINDS[row.kind],
      columns: row.kind === 'c' ? columns.toSorted() : columns,
      definition: row.kind === 'x' ? withoutIndexOptions(row.definition) : row.definition,
      references: row.references,
      referencedColumns: columnsNamed(numbers, row.references ?? '', row.referenced_columns),
      onDelete: ACTIONS[row.on_delete] ?? null,
      onUpdate: ACTIONS[row.on_update] ?? null,
      deferrable: row.deferrable,
      initiallyDeferred: row.initially_deferred,
      validated: row.validated,
      comment: row.comment,
      ...(row.disabled_on ? { disabledOn: row.disabled_on } : {}),
    }
    catalog.tables.get(table)?.constraints.set(row.name, constraint)
  }
}
