import type { Catalog } from '../model.ts'
import { commentOf, IN_USER_SCHEMA, notOfExtension } from './fragments.ts'

export const schemasQuery = `
  select n.nspname::text as name, pg_catalog.pg_get_userbyid(n.nspowner)::text as owner,
    ${commentOf('pg_namespace', 'n.oid')} as comment
  from pg_catalog.pg_namespace n
  where ${IN_USER_SCHEMA} and ${notOfExtension('pg_namespace', 'n.oid')}
  order by n.nspname`

export interface SchemaRow {
  name: string
  owner: string
  comment: string | null
}

export function addSchemas(catalog: Catalog, rows: SchemaRow[]): void {
  for (const row of rows) catalog.schemas.set(row.name, { ...row, grants: [] })
}

export const extensionsQuery = `
  select e.extname::text as name, n.nspname::text as schema, e.extversion as version
  from pg_catalog.pg_extension e join pg_catalog.pg_namespace n on n.oid = e.extnamespace
  order by e.extname`

export interface ExtensionRow {
  name: string
  schema: string
  version: string
}

export function addExtensions(catalog: Catalog, rows: ExtensionRow[]): void {
  for (const row of rows) catalog.extensions.set(row.name, { ...row })
}
