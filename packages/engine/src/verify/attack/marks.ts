import { randomUUID } from 'node:crypto'
import type { Table } from '../../catalog/model.ts'
import type { VerifyContext } from '../context.ts'
import { columnKey, columnsAsked } from './call-values.ts'
import { baseTypeOf } from './made-up.ts'
import { quoteLiteral, quoteName } from './quote.ts'
import { argumentsOf } from './routine-arguments.ts'
import { attemptAll, type Querier } from './runner.ts'
import { isUuid, type Scene } from './scene.ts'
import { countLimit, type Target, type TenantRows } from './targets.ts'

/**
 * Rows without a uuid cannot be told from others by their id: a random text is written into a column of them where one takes
 * it. Whether both tenants have a row of that id is noted, too.
 */
export async function markRows(
  db: Querier,
  context: VerifyContext,
  targets: readonly Target[],
  tenants: readonly string[],
): Promise<Target[]> {
  const rows = targets
    .filter((target) => !target.partition)
    .flatMap((target) => tenants.map((tenant) => ({ target, tenant, mark: randomUUID() })))
    .filter(({ target, tenant }) => isNameless(target.rows.get(tenant)))
  const marked = new Set<(typeof rows)[number]>()
  for (let place = 0; place < 3; place++) {
    const tries = rows.flatMap((row) => {
      const column = marked.has(row) ? undefined : freeTexts(row.target.table, context)[place]
      if (column === undefined) return []
      return [{ row, sql: `update ${whereIs(row)} set ${quoteName(column)} = ${quoteLiteral(row.mark)}${whose(row)}` }]
    })
    const succeeded = await attemptAll(
      db,
      tries.map(({ sql }) => sql),
    )
    for (const [index, { row }] of tries.entries()) if (succeeded[index]) marked.add(row)
  }
  const shared = await sharedIds(db, rows, tenants)
  return targets.map((target) => {
    const changed = new Map(target.rows)
    for (const row of rows.filter((each) => each.target === target)) {
      const known = target.rows.get(row.tenant) as TenantRows
      const sharesId = shared.has(target.name)
      changed.set(row.tenant, { ...known, sharesId, ...(marked.has(row) ? { mark: row.mark } : {}) })
    }
    return { ...target, rows: changed }
  })
}

interface Row {
  readonly target: Target
  readonly tenant: string
}

function isNameless(rows: TenantRows | undefined): boolean {
  return rows !== undefined && rows.filter !== null && !isUuid(rows.id)
}

function whereIs({ target }: Row): string {
  return target.sqlName
}

function whose({ target, tenant }: Row): string {
  return ` where ${target.tenantColumn} = ${quoteLiteral(tenant)} and ${target.rows.get(tenant)?.filter}`
}

/** Text columns that nothing but the row depends on, the least important (those that may be null) first. */
function freeTexts(table: Table, { catalog, policy }: VerifyContext): string[] {
  const bound = new Set([...table.constraints.values()].flatMap(({ columns }) => columns))
  const unique = [...table.indexes.values()].filter((index) => index.unique)
  for (const { column } of unique.flatMap(({ keys }) => keys)) if (column !== null) bound.add(column)
  return [...table.columns.values()]
    .filter(({ name, generated }) => generated === null && !bound.has(name) && name !== policy.tenantColumn)
    .filter(({ name }) => name !== 'id' && name !== [...table.columns.keys()][0])
    .filter(({ type }) => /^(text|character varying)/.test(baseTypeOf(type, catalog)))
    .toSorted((a, b) => Number(a.notNull) - Number(b.notNull))
    .map(({ name }) => name)
}

/** Names of the tables in which the id of a row is also that of a row of another tenant. */
async function sharedIds(db: Querier, rows: readonly Row[], tenants: readonly string[]): Promise<Set<string>> {
  const queries = rows
    .filter(({ target, tenant }) => target.table.columns.has('id') && target.rows.get(tenant)?.id !== null)
    .map(({ target, tenant }) => {
      const others = tenants.filter((other) => other !== tenant).map(quoteLiteral)
      const where = `${target.tenantColumn} in (${others.join(', ')}) and ${target.rows.get(tenant)?.filter}`
      return `select ${quoteLiteral(target.name)} as name where exists (select from ${target.sqlName} where ${where})`
    })
  if (queries.length === 0) return new Set()
  const found = await db.query<{ name: string }>(queries.join('\nunion all\n'))
  return new Set(found.map(({ name }) => name))
}

/** The texts of the victim's rows that arguments of functions ask for; see `Scene.texts`. */
export async function readTexts(
  db: Querier,
  scene: Pick<Scene, 'context' | 'targets'>,
  [attacker, victim]: readonly [string, string],
): Promise<Map<string, string>> {
  const { catalog, policy } = scene.context
  const asked = new Map<string, { target: Target; column: string }>()
  for (const routine of catalog.functions.values()) {
    if (policy.ignoredSchemas.includes(routine.schema)) continue
    for (const arg of argumentsOf(routine))
      for (const place of columnsAsked(arg, routine, scene)) asked.set(columnKey(place.target, place.column), place)
  }
  const queries = [...asked].flatMap(([key, { target, column }]) => {
    if (target.rows.get(victim)?.filter == null) return []
    const name = quoteName(column)
    const everybody = target.scope === 'shared' ? `${target.tenantColumn} is null or ` : ''
    const of = (tenant: string) => `${target.tenantColumn} = ${quoteLiteral(tenant)}`
    return [
      `select ${quoteLiteral(key)} as key, value from
         (select ${name}::text as value from ${target.sqlName}${whose({ target, tenant: victim })} limit 1) theirs
       where value <> '' and value not in (
         select value
         from (select ${name}::text as value from ${target.sqlName} where ${everybody}${of(attacker)} limit ${countLimit}) ours
         where value is not null)`,
    ]
  })
  if (queries.length === 0) return new Map()
  const found = await db.query<{ key: string; value: string }>(queries.join('\nunion all\n'))
  return new Map(found.map(({ key, value }) => [key, value]))
}
