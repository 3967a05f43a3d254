import type { Database, Transaction } from '@imhotep/postgres'
import { sealLog, type SealedLog } from './audit-seal.ts'
import type { SealSigner } from './seal-signature.ts'
import type { ContextKey } from './sign-context.ts'
import { systemContext } from './system-context.ts'
import { withTenant } from './with-tenant.ts'

export interface PackOptions {
  /** How long ago a month must have ended, a PostgreSQL interval of at least 7 days. Default: 90 days. */
  readonly olderThan?: string
  /** Signs the seals over what is packed. Without it rows of a log whose seals are signed are packed once they are sealed. */
  readonly signer?: SealSigner | undefined
  /** Where the database works for signed contexts only. */
  readonly contextKey?: ContextKey | undefined
}

export interface PackedPartition {
  /** The month of the log as PostgreSQL names it, such as `audit.audit_logs_y2026m01`. */
  readonly partition: string
  readonly log: SealedLog
  readonly tenants: number
  /** Rows that this run put into archives. */
  readonly rows: number
  /** False when rows of it cannot be packed yet, because a transaction that may still write to it is open. */
  readonly dropped: boolean
}

/**
 * Packs the months of the audit logs that ended long enough ago into `audit.audit_archives` and drops each one when all
 * its rows are packed. One transaction a tenant and day: stopped at any moment it goes on there the next time. For a
 * member of retention_job, or the owner.
 * @throws DatabaseError IM006 for less than 7 days
 */
export async function packAuditLogs(db: Database, options: PackOptions = {}): Promise<PackedPartition[]> {
  const partitions = await db.query<{ name: string; log: SealedLog }>(
    'select name::text as name, log_name as log from audit.packable_partitions($1::interval)',
    [options.olderThan ?? '90 days'],
  )
  const packed: PackedPartition[] = []
  for (const { name, log } of partitions) packed.push(await packPartition(db, name, log, options))
  return packed
}

async function packPartition(
  db: Database,
  partition: string,
  log: SealedLog,
  options: PackOptions,
): Promise<PackedPartition> {
  const tenants = await db.transaction((tx) =>
    tx.query<{ id: string }>('select id from audit.begin_packing($1::regclass) as id', [partition]),
  )
  let rows = 0
  for (const { id } of tenants) rows += await packTenant(db, id, partition, log, options)
  const [drop] = await db.transaction((tx) =>
    tx.query<{ dropped: boolean }>('select audit.drop_packed_partition($1::regclass) as dropped', [partition]),
  )
  return { partition, log, tenants: tenants.length, rows, dropped: drop?.dropped ?? false }
}

async function packTenant(
  db: Database,
  tenant: string,
  partition: string,
  log: SealedLog,
  { signer, contextKey }: PackOptions,
): Promise<number> {
  await withTenant(db, systemContext(tenant, contextKey), async (tx) => {
    if (signer || !(await isSigned(tx, log))) await sealLog(tx, log, signer)
  })
  let total = 0
  for (;;) {
    const [day] = await withTenant(db, systemContext(tenant, contextKey), (tx) =>
      tx.query<{ rows: number }>('select audit.pack_partition($1::regclass) as rows', [partition]),
    )
    if (day === undefined || day.rows === 0) return total
    total += day.rows
  }
}

async function isSigned(tx: Transaction, log: SealedLog): Promise<boolean> {
  const [row] = await tx.query<{ signed: boolean }>('select audit.chain_is_signed($1) as signed', [log])
  return row?.signed ?? false
}
