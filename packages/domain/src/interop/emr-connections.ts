import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'
import { connectionColumns, type EmrConnection } from './rows.ts'

export const beginEmrCallSql = `select ${connectionColumns}\nfrom interop.begin_emr_call($1)`

/**
 * Before a call: the connection, unless it is disabled or its circuit is open.
 * @throws NotFoundError (IM005), EndpointNotActiveError (IM802)
 */
export async function beginEmrCall(tx: Transaction, connectionId: string): Promise<EmrConnection> {
  return single(await tx.query<EmrConnection>(beginEmrCallSql, [connectionId]))
}

export interface FinishEmrCallInput {
  readonly connectionId: string
  readonly ok: boolean
  /** Without patient data. */
  readonly error?: string
  /** SHA-256 of the capability statement. */
  readonly capabilityHash?: Uint8Array
}

export const finishEmrCallSql = `select ${connectionColumns}\nfrom interop.finish_emr_call($1, $2, $3, $4)`

/**
 * After a call: a success closes the circuit, failures in a row open it.
 * @throws NotFoundError (IM005)
 */
export async function finishEmrCall(tx: Transaction, input: FinishEmrCallInput): Promise<EmrConnection> {
  return single(
    await tx.query<EmrConnection>(finishEmrCallSql, [
      input.connectionId,
      input.ok,
      input.error ?? null,
      input.capabilityHash ?? null,
    ]),
  )
}

export const savePollCursorSql = `select ${connectionColumns}\nfrom interop.save_poll_cursor($1, $2, $3)`

/**
 * Where polling of a resource type goes on.
 * @throws NotFoundError (IM005)
 */
export async function savePollCursor(
  tx: Transaction,
  connectionId: string,
  resourceType: string,
  cursor: string,
): Promise<EmrConnection> {
  return single(await tx.query<EmrConnection>(savePollCursorSql, [connectionId, resourceType, cursor]))
}

export const disableConnectionSql = `select ${connectionColumns}\nfrom interop.disable_connection($1, $2)`

/**
 * Nobody calls until it is enabled.
 * @throws IllegalTransitionError (IM001), ReasonRequiredError (IM002), NotFoundError (IM005)
 */
export async function disableConnection(tx: Transaction, connectionId: string, reason: string): Promise<EmrConnection> {
  return single(await tx.query<EmrConnection>(disableConnectionSql, [connectionId, reason]))
}

export const enableConnectionSql = `select ${connectionColumns}\nfrom interop.enable_connection($1)`

/**
 * A disabled connection is called again, with a closed circuit.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005)
 */
export async function enableConnection(tx: Transaction, connectionId: string): Promise<EmrConnection> {
  return single(await tx.query<EmrConnection>(enableConnectionSql, [connectionId]))
}
