import type { Catalog, PublishedTable } from '../model.ts'
import { commentOf, notOfExtension } from './fragments.ts'

export const publicationsQuery = `
  select p.pubname::text as name, p.puballtables as all_tables, p.pubviaroot as via_root, p.pubinsert as insert,
    p.pubupdate as update, p.pubdelete as delete, p.pubtruncate as truncate,
    coalesce((
      select pg_catalog.json_agg(
        pg_catalog.json_build_object(
          'table', n.nspname || '.' || c.relname,
          'columns', (
            select pg_catalog.json_agg(a.attname::text order by a.attnum)
            from pg_catalog.pg_attribute a where a.attrelid = r.prrelid and a.attnum = any (r.prattrs::int2[])
          ),
          'where', pg_catalog.pg_get_expr(r.prqual, r.prrelid)
        ) order by n.nspname || '.' || c.relname collate "C"
      )
      from pg_catalog.pg_publication_rel r
        join pg_catalog.pg_class c on c.oid = r.prrelid
        join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where r.prpubid = p.oid
    ), '[]') as tables,
    coalesce((
      select pg_catalog.json_agg(n.nspname::text order by n.nspname collate "C")
      from pg_catalog.pg_publication_namespace s join pg_catalog.pg_namespace n on n.oid = s.pnnspid
      where s.pnpubid = p.oid
    ), '[]') as schemas,
    ${commentOf('pg_publication', 'p.oid')} as comment, pg_catalog.pg_get_userbyid(p.pubowner)::text as owner
  from pg_catalog.pg_publication p
  where ${notOfExtension('pg_publication', 'p.oid')}
  order by p.pubname`

export interface PublicationRow {
  name: string
  all_tables: boolean
  via_root: boolean
  insert: boolean
  update: boolean
  delete: boolean
  truncate: boolean
  tables: PublishedTable[]
  schemas: string[]
  comment: string | null
  owner: string
}

export function addPublications(catalog: Catalog, rows: PublicationRow[]): void {
  for (const row of rows) {
    const { name, tables, schemas, comment, owner } = row
    const publishes = (['delete', 'insert', 'truncate', 'update'] as const).filter((event) => row[event])
    const { all_tables: allTables, via_root: viaRoot } = row
    catalog.publications.set(name, { name, allTables, tables, schemas, publishes, viaRoot, comment, owner })
  }
}
