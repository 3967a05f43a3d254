import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'

export const setReasonSql = 'select core.set_reason($1)'

/** Sets the reason that state machines ask for and the audit log records, for the rest of the transaction. */
export async function setReason(tx: Transaction, reason: string): Promise<void> {
  await tx.query(setReasonSql, [reason])
}

export const readSettingSql = 'select core.setting($1) as value'

/** Value of a setting: the tenant's own, else the shared one, else null. */
export async function readSetting(tx: Transaction, key: string): Promise<unknown> {
  return single(await tx.query<{ value: unknown }>(readSettingSql, [key])).value
}

export type Environment = 'dev' | 'test' | 'staging' | 'production'

export const readEnvironmentSql = 'select core.environment() as environment'

/** What this database is for; null until it was marked. */
export async function readEnvironment(tx: Transaction): Promise<Environment | null> {
  return single(await tx.query<{ environment: Environment | null }>(readEnvironmentSql)).environment
}

export const assertNotProductionSql = 'select core.assert_not_production()'

/**
 * First call of whatever must never touch production.
 * @throws NotPermittedError (IM006) on a database that is marked production or not marked
 */
export async function assertNotProduction(tx: Transaction): Promise<void> {
  await tx.query(assertNotProductionSql)
}

export const listActiveTenantsSql = 'select id from core.active_tenants() as id'

/** Ids of the active tenants that the caller may see: all for role imhotep_platform, whose workers walk them. */
export async function listActiveTenants(tx: Transaction): Promise<string[]> {
  const rows = await tx.query<{ id: string }>(listActiveTenantsSql)
  return rows.map((row) => row.id)
}
