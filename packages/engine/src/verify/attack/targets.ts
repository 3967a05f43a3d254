import type { Table, View } from '../../catalog/model.ts'
import { isAppendOnly, nameOf, scopeOf, tenantColumnOf, topOf, type VerifyContext } from '../context.ts'
import type { Scope } from '../policy.ts'
import { quoteLiteral, quoteName, quoteQualified } from './quote.ts'
import type { Querier } from './runner.ts'

/** A table or partition under attack, with the rows that there are to be found in it. */
export interface Target {
  readonly table: Table
  /** `schema.table`. */
  readonly name: string
  /** Quoted. */
  readonly sqlName: string
  /** Quoted. */
  readonly tenantColumn: string
  readonly scope: Scope
  readonly appendOnly: boolean
  readonly partition: boolean
  readonly rows: ReadonlyMap<string, TenantRows>
}

/** The rows of one tenant in one table. */
export interface TenantRows {
  /** Counted up to `countLimit`. */
  readonly count: number
  /** Predicate that finds one of them, null when there is none. */
  readonly filter: string | null
  /** Value of `id` of that row. */
  readonly id: string | null
  /** A random text that was written into that row, by which it is recognised. */
  readonly mark?: string
  /** The other tenant has a row with that id, too. */
  readonly sharesId?: boolean
}

/** Counting stops here: statements without WHERE are not tried on larger tables. */
export const countLimit = 2000

/** Columns that a statement may name: generated ones and identities are the server's. */
export function writableColumns(table: Table): string[] {
  return [...table.columns.values()]
    .filter((column) => column.generated === null && column.identity !== 'always')
    .map((column) => column.name)
}

/** A column that an update may set to itself or to its default without a constraint in the way. */
export function harmlessColumn(table: Table, context: VerifyContext): string {
  const names = writableColumns(table).filter((name) => name !== context.policy.tenantColumn && name !== 'id')
  const free = names.findLast((name) => {
    const column = table.columns.get(name)
    return column && (!column.notNull || column.default !== null)
  })
  return free ?? names.at(-1) ?? 'id'
}

/** Finds for every tenant table one row of each tenant, read past all policies. */
export function readTargets(db: Querier, context: VerifyContext, tenants: readonly string[]): Promise<Target[]> {
  const tables = context.tenantTables.filter((table) => table.columns.has(tenantColumnOf(table, context)))
  return readRows(db, context, tenants, tables)
}

/** The targets after some of them were filled: those are read again, with the partitions of their tables. */
export async function readTargetsAgain(
  db: Querier,
  context: VerifyContext,
  tenants: readonly string[],
  targets: readonly Target[],
  filled: readonly Target[],
): Promise<Target[]> {
  const families = new Set(filled.map((target) => familyOf(target, context)))
  const stale = targets.filter((target) => families.has(familyOf(target, context))).map(({ table }) => table)
  const read = new Map((await readRows(db, context, tenants, stale)).map((target) => [target.name, target]))
  return targets.map((target) => read.get(target.name) ?? target)
}

/** A table counts as one with its partitions. */
function familyOf({ table }: Target, { catalog }: VerifyContext): string {
  return nameOf(topOf(table, catalog))
}

async function readRows(
  db: Querier,
  context: VerifyContext,
  tenants: readonly string[],
  tables: readonly Table[],
): Promise<Target[]> {
  if (tables.length === 0) return []
  const found = await db.query<{ name: string; tenant: string; count: number; key: string | null }>(
    tables.flatMap((table) => tenants.map((tenant) => rowsQuery(table, tenant, context))).join('\nunion all\n'),
  )
  return tables.map((table) => {
    const name = nameOf(table)
    const own = found.filter((row) => row.name === name)
    return {
      table,
      name,
      sqlName: quoteQualified(table),
      tenantColumn: quoteName(tenantColumnOf(table, context)),
      scope: scopeOf(table, context),
      appendOnly: isAppendOnly(table, context),
      partition: table.partitionOf !== null,
      rows: new Map(own.map((row) => [row.tenant, toTenantRows(row)])),
    }
  })

  function toTenantRows({ count, key }: { count: number; key: string | null }): TenantRows {
    const values = key === null ? null : (JSON.parse(key) as Record<string, string | null>)
    const filter =
      values &&
      Object.entries(values)
        .map(([column, value]) => equals(column, value))
        .join(' and ')
    return { count, filter, id: values?.['id'] ?? null }
  }
}

/** The tables in which every tenant has rows, with all their partitions: nothing has to be made up for them. */
export function completeTargets(
  targets: readonly Target[],
  tenants: readonly string[],
  context: VerifyContext,
): Target[] {
  const isEmpty = ({ rows }: Target) => tenants.some((tenant) => (rows.get(tenant)?.count ?? 0) === 0)
  const incomplete = new Set(targets.filter(isEmpty).map((target) => familyOf(target, context)))
  return targets.filter((target) => !incomplete.has(familyOf(target, context)))
}

/** The views whose rows come from tables among `complete` alone, and from tables that belong to no tenant. What a function gathers nobody knows. */
export function completeViews(
  targets: readonly Target[],
  complete: readonly Target[],
  { catalog }: VerifyContext,
): View[] {
  const lacking = new Set(targets.map(({ name }) => name))
  for (const { name } of complete) lacking.delete(name)
  for (const routine of catalog.functions.values())
    if (/^(setof|table)\b/i.test(routine.returns)) lacking.add(nameOf(routine))
  const isComplete = (name: string, seen: Set<string>): boolean => {
    if (lacking.has(name)) return false
    if (seen.has(name)) return true
    seen.add(name)
    return catalog.views.get(name)?.dependencies.every((other) => isComplete(other, seen)) ?? true
  }
  return [...catalog.views.values()].filter((view) => isComplete(nameOf(view), new Set()))
}

/** The foreign keys of a table to other tenant tables, those of its partitioned parent included. */
export function referencesOf(target: Target, context: VerifyContext) {
  const keys = [...topOf(target.table, context.catalog).constraints.values()].filter(
    (key) => key.kind === 'foreign key',
  )
  return keys.flatMap((key) =>
    key.columns.flatMap((column, index) => {
      const references = key.references
      if (references === null || column === context.policy.tenantColumn || key.referencedColumns[index] !== 'id')
        return []
      return [{ key, column, references }]
    }),
  )
}

/** Rows are counted and one of them is described in one scan: planning a second one would double the time of it all. */
function rowsQuery(table: Table, tenant: string, context: VerifyContext): string {
  const columns = keyColumns(table)
  const texts = columns.map((column, index) => `t.${quoteName(column)}::text as key${index}`)
  const key = columns.map((column, index) => `${quoteLiteral(column)}, (array_agg(key${index}))[1]`)
  const ours = `t.${quoteName(tenantColumnOf(table, context))} = ${quoteLiteral(tenant)}`
  const name = quoteQualified(table)
  return (
    `select ${quoteLiteral(nameOf(table))} as name, ${quoteLiteral(tenant)} as tenant, ` +
    `count(*)::integer as count, ` +
    `case when count(*) > 0 then jsonb_build_object(${key.join(', ')})::text end as key ` +
    `from (select ${texts.join(', ')} from ${name} t where ${ours} limit ${countLimit + 1}) found`
  )
}

/** The id where there is one, else the primary key. */
function keyColumns(table: Table): string[] {
  if (table.columns.has('id')) return ['id']
  const primary = [...table.constraints.values()].find((constraint) => constraint.kind === 'primary key')
  return primary?.columns ?? [...table.columns.keys()].slice(0, 1)
}

function equals(column: string, value: string | null): string {
  return value === null ? `${quoteName(column)} is null` : `${quoteName(column)} = ${quoteLiteral(value)}`
}
