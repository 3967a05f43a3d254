import { qualifiedName, type Attribute, type Catalog, type UserType } from '../model.ts'
import { checkConstraint } from '../check-constraint.ts'
import { commentOf, IN_USER_SCHEMA, notOfExtension } from './fragments.ts'

export const typesQuery = `
  select n.nspname::text as schema, t.typname::text as name, t.typtype::text as kind, t.typnotnull as not_null,
    case when t.typtype = 'd' then t.typdefault end as "default",
    (
      select cn.nspname || '.' || o.collname
      from pg_catalog.pg_collation o join pg_catalog.pg_namespace cn on cn.oid = o.collnamespace
      where o.oid = case t.typtype
        when 'd' then (select nullif(t.typcollation, b.typcollation) from pg_catalog.pg_type b where b.oid = t.typbasetype)
        when 'r' then (
          select nullif(r.rngcollation, b.typcollation)
          from pg_catalog.pg_range r join pg_catalog.pg_type b on b.oid = r.rngsubtype where r.rngtypid = t.oid
        )
      end
    ) as collation,
    pg_catalog.pg_get_userbyid(t.typowner)::text as owner,
    ${commentOf('pg_type', 't.oid')} as comment,
    case t.typtype
      when 'd' then pg_catalog.format_type(t.typbasetype, t.typtypmod)
      when 'r' then (select pg_catalog.format_type(rngsubtype, null) from pg_catalog.pg_range where rngtypid = t.oid)
    end as base,
    coalesce((
      select pg_catalog.json_agg(enumlabel::text order by enumsortorder) from pg_catalog.pg_enum where enumtypid = t.oid
    ), '[]') as labels,
    coalesce((
      select pg_catalog.json_agg(
        pg_catalog.json_build_object('name', attname::text, 'type', pg_catalog.format_type(atttypid, atttypmod),
          'comment', pg_catalog.col_description(attrelid, attnum))
        order by attnum
      )
      from pg_catalog.pg_attribute
      where attrelid = t.typrelid and attnum > 0 and not attisdropped and t.typtype = 'c'
    ), '[]') as attributes,
    coalesce((
      select pg_catalog.json_agg(
        pg_catalog.json_build_object('name', conname::text, 'definition', pg_catalog.pg_get_constraintdef(oid),
          'validated', convalidated, 'comment', pg_catalog.obj_description(oid, 'pg_constraint'))
        order by conname
      )
      from pg_catalog.pg_constraint
      where contypid = t.oid and contype = 'c'
    ), '[]') as checks
  from pg_catalog.pg_type t join pg_catalog.pg_namespace n on n.oid = t.typnamespace
  where ${IN_USER_SCHEMA}
    and (t.typtype in ('e', 'd', 'r')
      or t.typtype = 'c' and exists (select from pg_catalog.pg_class where oid = t.typrelid and relkind = 'c'))
    and ${notOfExtension('pg_type', 't.oid')} and ${notOfExtension('pg_class', 't.typrelid')}
  order by 1, 2`

export interface TypeRow {
  schema: string
  name: string
  kind: 'e' | 'd' | 'r' | 'c'
  not_null: boolean
  owner: string
  comment: string | null
  base: string | null
  labels: string[]
  default: string | null
  collation: string | null
  attributes: Attribute[]
  checks: { name: string; definition: string; validated: boolean; comment: string | null }[]
}

const KINDS = { e: 'enum', d: 'domain', r: 'range', c: 'composite' } as const

export function addTypes(catalog: Catalog, rows: TypeRow[]): void {
  for (const { kind, not_null, checks, ...row } of rows) {
    const type: UserType = {
      ...row,
      kind: KINDS[kind],
      notNull: not_null,
      checks: checks.map((check) => checkConstraint({ ...check, columns: [] })),
      grants: [],
    }
    catalog.types.set(qualifiedName(row.schema, row.name), type)
  }
}
