import {
  defaultPolicy,
  makeContext,
  readCatalogInside,
  readFacts,
  runRules,
  verifyRules,
  type Catalog,
  type Finding,
  type Table,
  type VerifyContext,
} from '@imhotep/engine'
import { DatabaseError, type Transaction } from '@imhotep/postgres'
import { InspectionNotPossibleError } from './errors.ts'

/**
 * What the checks of one run share: the catalog, what the engine's own rules found, and one transaction that is rolled
 * back in the end. Checks run one after the other.
 */
export interface Inspection {
  readonly tx: Transaction
  readonly catalog: Catalog
  readonly context: VerifyContext
  /** Findings of the engine's rules. */
  readonly findings: readonly Finding[]
  readonly tenants: readonly string[]
  /** Tables without partitions, of every schema that the hospital uses. */
  readonly tables: readonly Table[]
}

/**
 * Reads what the checks need.
 * @throws InspectionNotPossibleError for a role that is no superuser
 */
export async function openInspection(tx: Transaction): Promise<Inspection> {
  const [me] = await tx.query<{ name: string; superuser: boolean }>(
    'select rolname as name, rolsuper as superuser from pg_roles where rolname = current_user',
  )
  if (!me?.superuser) throw new InspectionNotPossibleError(me?.name ?? '')
  const catalog = await readCatalogInside(tx)
  const context = makeContext(catalog, defaultPolicy, await readFacts(tx, catalog, defaultPolicy))
  const tenants = await tx.query<{ id: string }>(`select id from core.tenants where status = 'active' order by id`)
  let findings: readonly Finding[] | undefined
  return {
    tx,
    catalog,
    context,
    get findings() {
      return (findings ??= runRules(verifyRules, context).findings)
    },
    tenants: tenants.map(({ id }) => id),
    tables: context.tables.filter(({ partitionOf }) => partitionOf === null),
  }
}

/** Runs a query for every active tenant, with `$1` as the tenant, as that tenant's request would. */
export async function rowsOfTenants<Row>({ tx, tenants }: Inspection, sql: string): Promise<Row[]> {
  const rows: Row[] = []
  for (const tenant of tenants) {
    await tx.query(`select set_config('app.tenant_id', $1, true)`, [tenant])
    rows.push(...(await tx.query<Row>(sql, [tenant])))
  }
  await tx.query(`select set_config('app.tenant_id', '', true)`)
  return rows
}

/** Runs `work` in a savepoint and takes everything back. */
export async function trial<Result>({ tx }: Inspection, work: () => Promise<Result>): Promise<Result> {
  await tx.query('savepoint trial')
  try {
    return await work()
  } finally {
    await tx.query('rollback to savepoint trial')
    await tx.query('release savepoint trial')
  }
}

/** The SQLSTATE that a statement ends with, `00000` when it succeeds; what it did is taken back. */
export async function outcomeOf(inspection: Inspection, sql: string, params: readonly unknown[] = []): Promise<string> {
  return trial(inspection, async () => {
    try {
      await inspection.tx.query(sql, params)
      return '00000'
    } catch (error) {
      if (error instanceof DatabaseError) return error.sqlstate
      throw error
    }
  })
}
