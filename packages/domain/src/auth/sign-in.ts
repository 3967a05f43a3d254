import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'

export interface SignInInput {
  readonly userId: string
  /** Whether the credentials were right. */
  readonly success: boolean
  readonly ip?: string
}

export interface SignInResult {
  /** Whether the user may come in: right credentials of an active account. */
  readonly allowed: boolean
  readonly status: string
  readonly failedAttempts: number
  readonly lockedUntil: Date | null
}

export const recordSignInSql = `
select allowed, status, failed_attempts as "failedAttempts", locked_until as "lockedUntil"
from auth.record_sign_in($1, $2, $3)`

/**
 * Records a sign-in; too many failures lock the account for a while. The answer is a row, so commit it whatever it says.
 * @throws NotFoundError (IM005)
 */
export async function recordSignIn(tx: Transaction, input: SignInInput): Promise<SignInResult> {
  return single(await tx.query<SignInResult>(recordSignInSql, [input.userId, input.success, input.ip ?? null]))
}
