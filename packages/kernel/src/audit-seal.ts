import type { Database, Transaction } from '@imhotep/postgres'
import type { SealSigner, SealVerifier } from './seal-signature.ts'
import type { ContextKey } from './sign-context.ts'
import { systemContext } from './system-context.ts'
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
  /** Seals with a signature that holds; null when no public key was given. */
  readonly signedSeals: number | null
  readonly problems: readonly ChainProblem[]
}

export interface ChainProblem {
  readonly seal: number
  /** The row, null when the seal itself is wrong. */
  readonly seq: number | null
  readonly problem: string
}

/**
 * Seals what can be sealed of every tenant's logs, of those that are suspended or closed too, one transaction a tenant and
 * log. For a role that sees all tenants (imhotep_platform or the owner); run it every few seconds. With a signer each seal
 * carries its signature; where the database works for signed contexts only, give the key that signs them.
 * @throws NotPermittedError (IM006) without a signer where the seals before are signed
 */
export async function sealAudit(db: Database, signer?: SealSigner, key?: ContextKey): Promise<SealedRange[]> {
  return forEachLog(db, key, async (tx, tenant, log) => ({ tenant, log, rows: await sealLog(tx, log, signer) }))
}

/** Seals what can be sealed of a log of the transaction's tenant; returns how many rows. */
export function sealLog(tx: Transaction, log: SealedLog, signer?: SealSigner): Promise<number> {
  return signer ? sealSigned(tx, log, signer) : seal(tx, log)
}

async function seal(tx: Transaction, log: SealedLog): Promise<number> {
  const [row] = await tx.query<{ rows: number }>('select audit.seal($1) as rows', [log])
  return row?.rows ?? 0
}

async function sealSigned(tx: Transaction, log: SealedLog, signer: SealSigner): Promise<number> {
  const [next] = await tx.query<{ to_txid: number | null; digest: Buffer | null }>(
    'select to_txid, digest from audit.digest_to_sign($1)',
    [log],
  )
  if (!next?.digest) return 0
  const [row] = await tx.query<{ rows: number }>('select audit.seal_signed($1, $2, $3, $4) as rows', [
    log,
    next.to_txid,
    signer.sign(next.digest),
    signer.kid,
  ])
  return row?.rows ?? 0
}

/**
 * Recomputes every seal of every tenant and reports each row and seal that is not as it was sealed; with public keys also
 * each seal whose signature does not hold. Where the database works for signed contexts only, give the key that signs them.
 */
export async function verifyAuditChain(
  db: Database,
  verifier?: SealVerifier,
  key?: ContextKey,
): Promise<ChainReport[]> {
  return forEachLog(db, key, async (tx, tenant, log) => {
    const [head] = await tx.query<ChainHead>(
      `select seal_no, encode(digest, 'hex') as head, sealed_rows, unsealed_rows from audit.chain_head($1)`,
      [log],
    )
    const problems = await tx.query<ChainProblem>('select seal_no as seal, seq, problem from audit.verify_chain($1)', [
      log,
    ])
    const signatures = verifier && (await checkSignatures(tx, log, verifier))
    return {
      tenant,
      log,
      seals: head?.seal_no ?? null,
      head: head?.head ?? null,
      sealedRows: head?.sealed_rows ?? 0,
      unsealedRows: head?.unsealed_rows ?? 0,
      signedSeals: signatures?.valid ?? null,
      problems: [...problems, ...(signatures?.problems ?? [])],
    }
  })
}

/**
 * A signed seal vouches for those before it, since it holds the digest of the last: the first ones may be without. Behind
 * a signed seal each has to be signed, and one at least.
 */
async function checkSignatures(tx: Transaction, log: SealedLog, verifier: SealVerifier) {
  const seals = await tx.query<SignedSeal>(
    'select seal_no, digest, signature, key_kid from audit.seal_signatures($1) order by seal_no',
    [log],
  )
  const problems: ChainProblem[] = []
  const tell = (seal: number, problem: string) => problems.push({ seal, seq: null, problem })
  let valid = 0
  let signed = false
  for (const { seal_no: seal, digest, signature, key_kid: kid } of seals) {
    if (signature === null || kid === null) {
      if (signed) tell(seal, 'is not signed, although a seal before it is')
      continue
    }
    signed = true
    const holds = verifier.verify(kid, digest, signature)
    if (holds) valid++
    else tell(seal, holds === undefined ? `the public key ${kid} was not given` : 'the signature is of something else')
  }
  const last = seals.at(-1)
  if (last && !signed) tell(last.seal_no, 'no seal is signed')
  return { valid, problems }
}

interface SignedSeal {
  readonly seal_no: number
  readonly digest: Buffer
  readonly signature: Buffer | null
  readonly key_kid: string | null
}

interface ChainHead {
  readonly seal_no: number | null
  readonly head: string | null
  readonly sealed_rows: number
  readonly unsealed_rows: number
}

async function forEachLog<T>(
  db: Database,
  key: ContextKey | undefined,
  work: (tx: Transaction, tenant: string, log: SealedLog) => Promise<T>,
): Promise<T[]> {
  const tenants = await db.query<{ id: string }>('select t.id from core.tenants t order by t.id')
  const results: T[] = []
  for (const { id } of tenants) {
    for (const log of sealedLogs) {
      results.push(await withTenant(db, systemContext(id, key), (tx) => work(tx, id, log)))
    }
  }
  return results
}
