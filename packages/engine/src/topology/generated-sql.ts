import { quoteIdentifier, quoteLiteral } from '../bundle/quote.ts'
import type { Catalog, Table } from '../catalog/model.ts'
import { quoteKey } from '../print/sql-text.ts'
import type { PublishedTable, SoftReference, TopologyOptions } from './topology.ts'

/** The checks of a table's soft references: what their foreign keys did, asked of the table of projections. */
export function softReferenceSql(
  table: string,
  references: readonly SoftReference[],
  options: TopologyOptions,
): string {
  const checked = references.filter((reference) => reference.checked)
  if (checked.length === 0) return ''
  const [, name = ''] = table.split('.')
  const run = quoteKey(`${table}_check_references`)
  const tenant = `new.${quoteIdentifier(options.tenantColumn)}`
  const columns = [...new Set(checked.map(({ column }) => column))].map(quoteIdentifier)
  const changed = columns.map((column) => `new.${column} is distinct from old.${column}`)
  const body = checked.map(({ column, references: other, constraint }) => {
    const own = quoteIdentifier(column)
    const call = `${options.requireFunction}(${tenant}, ${quoteLiteral(other)}, new.${own}, ${quoteLiteral(constraint)})`
    return `  if new.${own} is distinct from old.${own} then\n    perform ${call};\n  end if;`
  })
  const about = `Of a new or changed row: what ${columns.join(', ')} name${columns.length === 1 ? 's' : ''} must be known and active. IM012 unknown here, IM013 not active.`
  return `create function ${run}() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
${body.join('\n')}
  return null;
end
$$;

comment on function ${run}() is ${quoteLiteral(`about=${about}`)};

create trigger ${quoteIdentifier(`${name}_new_references`)} after insert on ${quoteKey(table)}
  for each row execute function ${run}();

create trigger ${quoteIdentifier(`${name}_changed_references`)} after update on ${quoteKey(table)}
  for each row when (${changed.join(' or ')})
  execute function ${run}();
`
}

/** Tells other services of every row of a published table: that it is there, what is published of it, that it is gone. */
export function announceSql({ table, columns }: PublishedTable, { tables }: Catalog, options: TopologyOptions): string {
  const [, name = ''] = table.split('.')
  const run = quoteKey(`${table}_announce`)
  const tenant = quoteIdentifier(options.tenantColumn)
  const deleted = tables.get(table)?.columns.has(options.softDeleteColumn) ? options.softDeleteColumn : null
  const told = [...columns, ...(deleted ? [deleted] : [])]
  const lifecycle = deleted
    ? `case when new.${quoteIdentifier(deleted)} is null then 'active' else 'deleted' end`
    : `'active'`
  const changed = told.map((column) => `new.${quoteIdentifier(column)} is distinct from old.${quoteIdentifier(column)}`)
  const call = (row: string, state: string, rest: string) =>
    `perform ${options.announceFunction}(${row}.${tenant}, ${quoteLiteral(table)}, ${row}.id, ${state}, ${rest});`
  const update =
    changed.length === 0
      ? ''
      : `
create trigger ${quoteIdentifier(`${name}_announce_update`)} after update on ${quoteKey(table)}
  for each row when (${changed.join(' or ')})
  execute function ${run}();
`
  return `create function ${run}() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if tg_op = 'DELETE' then
    ${call('old', `'deleted'`, `'{}', 'deleted'`)}
  else
    ${call('new', lifecycle, `${jsonObject('new', told)}, case tg_op when 'INSERT' then 'created' else 'updated' end`)}
  end if;
  return null;
end
$$;

comment on function ${run}() is ${quoteLiteral(`about=Tells the services that refer to ${table} of a row that is new, changed in what is published of it (${columns.join(', ') || 'its id'}), or gone.`)};

create trigger ${quoteIdentifier(`${name}_announce`)} after insert or delete on ${quoteKey(table)}
  for each row execute function ${run}();
${update}`
}

/** What a service sees of another's table: a view of the projections that has the table's name and the published columns. */
export function projectionSql(
  projection: PublishedTable,
  whole: Catalog,
  here: ReadonlySet<string>,
  options: TopologyOptions,
): string {
  const { table, columns, owner } = projection
  const source = whole.tables.get(table)
  const deleted = source?.columns.has(options.softDeleteColumn) ? [options.softDeleteColumn] : []
  const shown = [...columns, ...deleted]
  const tenant = quoteIdentifier(options.tenantColumn)
  const lines = shown.map((column) => `  ${attribute(source, column, here)} as ${quoteIdentifier(column)}`)
  const comments = [options.tenantColumn, 'id', ...shown].map((column) => {
    const comment = source?.columns.get(column)?.comment ?? 'about=As its owner publishes it.'
    return `comment on column ${quoteKey(table)}.${quoteIdentifier(column)} is ${quoteLiteral(comment)};`
  })
  const gone = deleted[0] ? ` or r.attrs ? ${quoteLiteral(deleted[0])}` : ''
  return `create view ${quoteKey(table)} with (security_invoker = true) as
select
${[`  r.${tenant}`, `  r.entity_id as id`, ...lines].join(',\n')}
from ${quoteKey(options.refsTable)} r
where r.entity_type = ${quoteLiteral(table)} and (r.lifecycle <> 'deleted'${gone});

comment on view ${quoteKey(table)} is ${quoteLiteral(`about=What the service ${owner} publishes of ${table}, kept by its events.`)};
${comments.join('\n')}
`
}

function attribute(table: Table | undefined, column: string, here: ReadonlySet<string>): string {
  const type = table?.columns.get(column)?.type ?? 'text'
  const read = `r.attrs ->> ${quoteLiteral(column)}`
  // A type of the other service's schema is not here: its labels are text.
  const schema = /^"?([a-z_][a-z0-9_]*)"?\./.exec(type)?.[1]
  return type === 'text' || (schema !== undefined && !here.has(schema)) ? read : `(${read})::${type}`
}

/** Query on the owner's table that gives the rows of the table of projections, as they are before the first event. */
export function fillSql(
  table: string,
  columns: readonly string[],
  owner: string,
  { tables }: Catalog,
  options: TopologyOptions,
): string {
  const deleted = tables.get(table)?.columns.has(options.softDeleteColumn) ? options.softDeleteColumn : null
  const told = [...columns, ...(deleted ? [deleted] : [])]
  const tenant = quoteIdentifier(options.tenantColumn)
  const lifecycle = deleted
    ? `case when t.${quoteIdentifier(deleted)} is null then 'active' else 'deleted' end`
    : `'active'`
  return `select t.${tenant}, ${quoteLiteral(table)} as entity_type, t.id as entity_id, ${lifecycle} as lifecycle, ${jsonObject('t', told)} as attrs, ${quoteLiteral(owner)} as source_service, 0::bigint as source_version from ${quoteKey(table)} t where t.${tenant} is not null`
}

function jsonObject(row: string, columns: readonly string[]): string {
  if (columns.length === 0) return `'{}'::jsonb`
  const pairs = columns.map((column) => `${quoteLiteral(column)}, ${row}.${quoteIdentifier(column)}`)
  return `pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object(${pairs.join(', ')}))`
}
