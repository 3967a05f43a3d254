/** Conditions that every catalog query shares. `n` is pg_namespace. */
export const IN_USER_SCHEMA = `n.nspname !~ '^pg_' and n.nspname <> 'information_schema'`

/** True for objects that no extension brought along: those belong to the extension's version, not to the schema. */
export function notOfExtension(catalog: string, oid: string): string {
  return `not exists (
    select from pg_catalog.pg_depend ext
    where ext.classid = 'pg_catalog.${catalog}'::pg_catalog.regclass and ext.objid = ${oid} and ext.deptype = 'e'
  )`
}

/** The comment on an object, null without one. */
export function commentOf(catalog: string, oid: string): string {
  return `(
    select description from pg_catalog.pg_description
    where classoid = 'pg_catalog.${catalog}'::pg_catalog.regclass and objoid = ${oid} and objsubid = 0
  )`
}
