import { randomUUID } from 'node:crypto'
import type { Column, Table } from '../../catalog/model.ts'
import type { VerifyContext } from '../context.ts'
import { listedValue } from './listed-value.ts'
import { baseTypeOf, freshId, madeUpId } from './made-up.ts'
import { quoteLiteral, quoteName, quoteQualified } from './quote.ts'
import { attemptAll, type Querier } from './runner.ts'
import { referencesOf, writableColumns, type Target } from './targets.ts'

/** Values tried for a text that a check refuses, plainest first. */
const texts = [
  'attack',
  'a',
  'A',
  'AA',
  'AAA',
  '1',
  '00',
  '000000',
  'a.b',
  '/a',
  'a@b.example',
  'https://a.example',
  'Asia/Kolkata',
  'APT-A-20200101-1',
]

/**
 * Two tenants to play with: those with rows in the most tables. Where there are fewer than two, made-up ones are
 * inserted; the caller rolls everything back.
 */
export async function chooseTenants(db: Querier, context: VerifyContext): Promise<string[]> {
  const { rootTable: root, policy, catalog } = context
  if (!root) {
    const ids = await tenantsOfRows(db, context)
    while (ids.length < 2) ids.push(madeUpId(policy.tenantType, catalog) ?? randomUUID())
    return ids.length > 2 ? busiest(db, context, ids) : ids
  }
  const found = await db.query<{ id: string }>(`select id::text as id from ${quoteQualified(root)} order by id limit 8`)
  const ids = found.map((row) => row.id)
  if (ids.length > 2) return busiest(db, context, ids)
  while (ids.length < 2) {
    const id = madeUpId(root.columns.get('id')?.type ?? 'uuid', catalog) ?? randomUUID()
    if (!(await makeRow(db, root, new Map([['id', quoteLiteral(id)]]), context))) break
    ids.push(id)
  }
  return ids
}

/** Tenants that rows speak of, in a schema without a table of tenants. */
async function tenantsOfRows(db: Querier, { policy, tenantTables }: VerifyContext): Promise<string[]> {
  const column = quoteName(policy.tenantColumn)
  const queries = tenantTables
    .filter((table) => table.partitionOf === null && table.columns.has(policy.tenantColumn))
    .map(
      (table) => `(select ${column}::text as id from ${quoteQualified(table)} where ${column} is not null limit 200)`,
    )
  if (queries.length === 0) return []
  const found = await db.query<{ id: string }>(
    `select distinct id from (${queries.join(' union all ')}) rows order by id limit 8`,
  )
  return found.map((row) => row.id)
}

/**
 * Gives each tenant a row in every table that has none: a copy of the other's, else a made-up one. Returns the tables that
 * have rows now that were not there before.
 */
export async function fillTables(
  db: Querier,
  context: VerifyContext,
  targets: readonly Target[],
  tenants: readonly string[],
): Promise<Target[]> {
  const lacking = targets
    .filter(({ partition, scope }) => !partition && scope !== 'root')
    .flatMap((target) => withoutRows(target, tenants).map((tenant) => ({ target, tenant })))
  const made: { target: Target; tenant: string }[] = []
  const copies: { target: Target; tenant: string; sql: string }[] = []
  for (const { target, tenant } of lacking) {
    const source = tenants.map((other) => target.rows.get(other)?.filter).find((filter) => filter)
    const given = new Map([[context.policy.tenantColumn, quoteLiteral(tenant)]])
    if (source) {
      const sql = copySql(target.table, `${target.sqlName} where ${source}`, given, context)
      copies.push({ target, tenant, sql })
    } else if (await makeRow(db, target.table, given, context)) made.push({ target, tenant })
  }
  made.push(...(await succeeding(db, copies)))
  await attemptAll(
    db,
    made.flatMap(({ target, tenant }) => settleReferences(context, target, tenant)),
  )
  return [...new Set(made.map(({ target }) => target))]
}

/** Lets the references of a made-up row point to rows of its own tenant, so that its foreign keys hold. */
function settleReferences(context: VerifyContext, target: Target, tenant: string): string[] {
  const column = quoteName(context.policy.tenantColumn)
  return referencesOf(target, context).flatMap((reference) => {
    const table = context.catalog.tables.get(reference.references)
    if (!table?.columns.has(context.policy.tenantColumn)) return []
    const name = quoteName(reference.column)
    const chosen = `(select id from ${quoteQualified(table)} where ${column} = ${quoteLiteral(tenant)} limit 1)`
    const where = `${column} = ${quoteLiteral(tenant)} and ${name} is not null and exists ${chosen}`
    return [`update ${target.sqlName} set ${name} = ${chosen} where ${where}`]
  })
}

/** Gives partitions a copy of a row of their parent, once that has rows. */
export async function fillPartitions(
  db: Querier,
  context: VerifyContext,
  targets: readonly Target[],
  tenants: readonly string[],
): Promise<Target[]> {
  const copies = targets.flatMap((target) => {
    const key = target.partition && lowerBound(target.table, context)
    const parent = targets.find(({ name }) => name === target.table.partitionOf)
    if (!key || !parent) return []
    return withoutRows(target, tenants).flatMap((tenant) => {
      const source = parent.rows.get(tenant)?.filter
      if (!source) return []
      return [{ target, sql: copySql(target.table, `${parent.sqlName} where ${source}`, new Map([key]), context) }]
    })
  })
  return [...new Set((await succeeding(db, copies)).map(({ target }) => target))]
}

/** Runs the statements of copies and returns the copies that were made. */
async function succeeding<T extends { readonly sql: string }>(db: Querier, copies: readonly T[]): Promise<T[]> {
  const succeeded = await attemptAll(
    db,
    copies.map(({ sql }) => sql),
  )
  return copies.filter((_, n) => succeeded[n])
}

function withoutRows(target: Target, tenants: readonly string[]): string[] {
  return tenants.filter((tenant) => (target.rows.get(tenant)?.count ?? 0) === 0)
}

/** The partition column and a value of it that belongs into the partition, for ranges over one column of time. */
function lowerBound(table: Table, context: VerifyContext): [string, string] | null {
  const parent = context.catalog.tables.get(table.partitionOf ?? '')
  const column = /^range \("?(\w+)"?\)$/i.exec(parent?.partitionKey ?? '')?.[1]
  if (column === undefined || table.partitionBound === null) return null
  if (/^default$/i.test(table.partitionBound)) return [column, `'1970-01-01'`]
  const from = /from \(('[^']*')\)/i.exec(table.partitionBound)?.[1]
  return from === undefined ? null : [column, from]
}

async function busiest(db: Querier, context: VerifyContext, ids: string[]): Promise<string[]> {
  const column = quoteName(context.policy.tenantColumn)
  const tables = context.tenantTables.filter(
    (table) => table.partitionOf === null && table.columns.has(context.policy.tenantColumn),
  )
  const counts = await db.query<{ id: string; tables: number }>(
    ids
      .map((id) => {
        const exists = tables.map(
          (table) => `exists (select from ${quoteQualified(table)} where ${column} = ${quoteLiteral(id)})::integer`,
        )
        return `select ${quoteLiteral(id)} as id, ${exists.join(' + ') || '0'} as tables`
      })
      .join(' union all '),
  )
  return counts
    .toSorted((a, b) => b.tables - a.tables)
    .slice(0, 2)
    .map((row) => row.id)
}

/** `source` is what stands behind FROM, with a WHERE that finds one row. */
function copySql(table: Table, source: string, given: ReadonlyMap<string, string>, { catalog }: VerifyContext): string {
  const values = new Map(given)
  for (const [name, id] of Object.entries(freshId(table, catalog))) values.set(name, quoteLiteral(id))
  const names = writableColumns(table)
  const list = names.map(quoteName).join(', ')
  const row = names.map((name) => values.get(name) ?? quoteName(name)).join(', ')
  return `insert into ${quoteQualified(table)} (${list}) select ${row} from ${source}`
}

/** A row of plain values; where a check on one column refuses its value, the next one that might do is taken. */
async function makeRow(
  db: Querier,
  table: Table,
  given: ReadonlyMap<string, string>,
  context: VerifyContext,
): Promise<boolean> {
  const values = new Map(given)
  for (const column of table.columns.values()) {
    // A default that asks who is signed in gives null here.
    const filled = column.default !== null && !column.default.includes('current_user')
    if (!column.notNull || filled || column.generated !== null || column.identity !== null) continue
    if (!values.has(column.name)) values.set(column.name, firstValue(column, table, context))
  }
  if (await insertRow(db, table, values)) return true
  for (const column of table.columns.values()) {
    if (given.has(column.name) || !values.has(column.name) || !isText(column)) continue
    const value = await fittingText(db, table, column, values.get(column.name) ?? `''`)
    if (value !== null) values.set(column.name, value)
  }
  return insertRow(db, table, values)
}

/** The first candidate that passes every check that reads this column only. */
async function fittingText(db: Querier, table: Table, column: Column, first: string): Promise<string | null> {
  const conditions = [...table.constraints.values()]
    .filter((check) => check.kind === 'check' && check.columns.join() === column.name)
    .flatMap((check) => /^CHECK \((.*)\)( NOT VALID)?$/is.exec(check.definition)?.[1] ?? [])
  if (conditions.length === 0) return null
  const candidates = [first, ...texts.map(quoteLiteral)].map((text, order) => `(${order}, ${text}::text)`)
  const [found] = await tryQuery<{ value: string }>(
    db,
    `select value from (values ${candidates.join(', ')}) candidates (place, value),
       lateral (select value::${column.type} as ${quoteName(column.name)}) row
     where ${conditions.join(' and ')} order by place limit 1`,
  )
  return found ? quoteLiteral(found.value) : null
}

async function insertRow(db: Querier, table: Table, values: ReadonlyMap<string, string>): Promise<boolean> {
  const names = [...values.keys()].map(quoteName).join(', ')
  const sql = `insert into ${quoteQualified(table)} (${names}) values (${[...values.values()].join(', ')})`
  return (await attemptAll(db, [sql]))[0] ?? false
}

function firstValue(column: Column, table: Table, context: VerifyContext): string {
  const base = baseTypeOf(column.type, context.catalog)
  if (base !== column.type) return firstValue({ ...column, type: base }, table, context)
  const type = column.type.replace(/\(.*\)/, '')
  const user = context.catalog.types.get(column.type)
  if (user?.kind === 'enum') return quoteLiteral(user.labels[0] ?? '')
  if (isText(column))
    return quoteLiteral(
      listedValue(column.name, table) ??
        (type === 'character' ? 'AAA'.slice(0, lengthOf(column)) : `attack${randomUUID().slice(0, 4)}`),
    )
  if (type.endsWith('[]')) return `'{}'`
  return (isEnd(column.name) ? laterValues[type] : undefined) ?? plainValues[type] ?? 'default'
}

function isText(column: Column | undefined): boolean {
  return column !== undefined && /^(text|character varying|character)/.test(column.type)
}

function lengthOf(column: Column): number {
  return Number(/\((\d+)\)/.exec(column.type)?.[1] ?? 1)
}

/** Ends come after beginnings. */
function isEnd(column: string): boolean {
  return /(^|_)(end|ends|to|until|expires|locked)(_|$)/.test(column)
}

const laterValues: Readonly<Record<string, string>> = {
  integer: '2',
  bigint: '2',
  date: 'current_date + 1',
  'timestamp with time zone': `now() + interval '1 hour'`,
  'time without time zone': `'10:00'`,
}

const plainValues: Readonly<Record<string, string>> = {
  uuid: 'gen_random_uuid()',
  integer: '1',
  bigint: '1',
  smallint: '1',
  numeric: '1',
  boolean: 'false',
  date: 'current_date',
  'timestamp with time zone': 'now()',
  'time without time zone': `'09:00'`,
  interval: `interval '1 hour'`,
  jsonb: `'{}'`,
  json: `'{}'`,
  bytea: `sha256('attack')`,
  inet: `'192.0.2.1'`,
  xid8: 'pg_current_xact_id()',
  tstzrange: `tstzrange(now(), now() + interval '1 hour')`,
  daterange: 'daterange(current_date, current_date + 1)',
}

async function tryQuery<T>(db: Querier, sql: string): Promise<T[]> {
  await db.query('savepoint imhotep_attack_row')
  try {
    return await db.query<T>(sql)
  } catch {
    return []
  } finally {
    await db.query('rollback to savepoint imhotep_attack_row')
  }
}
