import type { Database, Transaction } from '@imhotep/postgres'
import { withTenant } from './with-tenant.ts'

/** The logs that are sealed. */
export const sealedLogs = ['audit_logs', 'phi_access_logs'] as const
export type SealedLog = (typeof sealedLogs)[number]

export interface SealedRange {
  readonly tenant: string
  readonly log: SealedLog
  /** Rows that this run put under a seal. */
  readonly rows: number
}

export interface ChainReport {
  readonly tenant: string
  readonly log: SealedLog
  /** Number of the last seal, null before the first. */
  readonly seals: number | null
  /** Digest of the last seal in hex: keep it where whoever can rewrite the database cannot. */
  readonly head: string | null
  readonly sealedRows: number
  readonly unsealedRows: number
  readonly problems: readonly ChainProblem[]
}

export interface ChainProblem {
  readonly seal: number
  /** The row, null when the seal itself is wrong. */
  readonly seq: number | null
  readonly problem: string
}

/**
 * Seals what can be sealed of every active tenant's logs, one transaction a tenant and log. For a role that sees all
 * tenants (imhotep_platform or the owner); run it every few seconds.
 */
export async function sealAudit(db: Database): Promise<SealedRange[]> {
  return forEachLog(db, async (tx, tenant, log) => {
    const [row] = await tx.query<{ rows: number }>('select audit.seal($1) as rows', [log])
    return { tenant, log, rows: row?.rows ?? 0 }
  })
}

/** Recomputes every seal of every active tenant and reports each row and seal that is not as it was sealed. */
export async function verifyAuditChain(db: Database): Promise<ChainReport[]> {
  return forEachLog(db, async (tx, tenant, log) => {
    const [head] = await tx.query<ChainHead>(
      `select seal_no, encode(digest, 'hex') as head, sealed_rows, unsealed_rows from audit.chain_head($1)`,
      [log],
    )
    const problems = await tx.query<ChainProblem>('select seal_no as seal, seq, problem from audit.verify_chain($1)', [
      log,
    ])
    return {
      tenant,
      log,
      seals: head?.seal_no ?? null,
      head: head?.head ?? null,
      sealedRows: head?.sealed_rows ?? 0,
      unsealedRows: head?.unsealed_rows ?? 0,
      problems,
    }
  })
}

interface ChainHead {
  readonly seal_no: number | null
  readonly head: string | null
  readonly sealed_rows: number
  readonly unsealed_rows: number
}

async function forEachLog<T>(
  db: Database,
  work: (tx: Transaction, tenant: string, log: SealedLog) => Promise<T>,
): Promise<T[]> {
  const tenants = await db.query<{ id: string }>('select core.active_tenants() as id')
  const results: T[] = []
  for (const { id } of tenants) {
    for (const log of sealedLogs) {
      const context = { tenant: id, user: null, role: 'system', purpose: 'HOPERAT' } as const
      results.push(await withTenant(db, context, (tx) => work(tx, id, log)))
    }
  }
  return results
}
