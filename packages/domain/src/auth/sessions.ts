import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'

export interface StartSessionInput {
  readonly userId: string
  /** SHA-256 of the refresh token. */
  readonly refreshHash: Uint8Array
  readonly ip: string | null
  readonly userAgent: string | null
  /** Authentication methods (RFC 8176): pwd, otp, hwk ... */
  readonly amr?: readonly string[]
  readonly deviceLabel?: string
  /** Identity of the device in sync. */
  readonly nodeId?: string
}

export const startSessionSql = 'select auth.start_session($1, $2, $3, $4, $5::text[], $6, $7) as id'

/**
 * Begins a session of an active user and a new family of refresh tokens; returns its id.
 * @throws NotFoundError (IM005) when there is no such active user
 */
export async function startSession(tx: Transaction, input: StartSessionInput): Promise<string> {
  const rows = await tx.query<{ id: string }>(startSessionSql, [
    input.userId,
    input.refreshHash,
    input.ip,
    input.userAgent,
    input.amr ?? [],
    input.deviceLabel ?? null,
    input.nodeId ?? null,
  ])
  return single(rows).id
}

export interface RotateSessionInput {
  readonly refreshHash: Uint8Array
  /** SHA-256 of the token that replaces it. */
  readonly newHash: Uint8Array
  readonly ip: string | null
  readonly userAgent: string | null
}

export interface RotatedSession {
  /** reused: two parties held the token, and the whole family is revoked now. */
  readonly outcome: 'rotated' | 'reused' | 'revoked' | 'expired' | 'user_inactive' | 'unknown'
  readonly sessionId: string | null
  readonly userId: string | null
  readonly familyId: string | null
  readonly idleExpiresAt: Date | null
  readonly expiresAt: Date | null
}

export const rotateSessionSql = `
select
  outcome, session_id as "sessionId", user_id as "userId", family_id as "familyId",
  idle_expires_at as "idleExpiresAt", expires_at as "expiresAt"
from auth.rotate_session($1, $2, $3, $4)`

/** Exchanges a refresh token for a new one of its family. Refusals are outcomes: commit them, they may revoke sessions. */
export async function rotateSession(tx: Transaction, input: RotateSessionInput): Promise<RotatedSession> {
  const { refreshHash, newHash, ip, userAgent } = input
  return single(await tx.query<RotatedSession>(rotateSessionSql, [refreshHash, newHash, ip, userAgent]))
}

export interface RevokeSessionsInput {
  readonly userId: string
  /** signed_out by convention when the user ends them. */
  readonly reason: string
  /** Ends one family only, which is one device. */
  readonly familyId?: string
}

export const revokeSessionsSql = 'select auth.revoke_sessions($1, $2, $3) as revoked'

/** Ends the live sessions of a user and returns how many. */
export async function revokeSessions(tx: Transaction, input: RevokeSessionsInput): Promise<number> {
  const rows = await tx.query<{ revoked: number }>(revokeSessionsSql, [
    input.userId,
    input.reason,
    input.familyId ?? null,
  ])
  return single(rows).revoked
}
