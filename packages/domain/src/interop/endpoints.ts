import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'
import { endpointColumns, type InteropEndpoint } from './rows.ts'

export const activateEndpointSql = `select ${endpointColumns}\nfrom interop.activate_endpoint($1)`

/**
 * Messages may come and go.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005)
 */
export async function activateEndpoint(tx: Transaction, endpointId: string): Promise<InteropEndpoint> {
  return single(await tx.query<InteropEndpoint>(activateEndpointSql, [endpointId]))
}

export const pauseEndpointSql = `select ${endpointColumns}\nfrom interop.pause_endpoint($1, $2)`

/**
 * Nothing is taken or sent until it is activated again.
 * @throws IllegalTransitionError (IM001), ReasonRequiredError (IM002), NotFoundError (IM005)
 */
export async function pauseEndpoint(tx: Transaction, endpointId: string, reason: string): Promise<InteropEndpoint> {
  return single(await tx.query<InteropEndpoint>(pauseEndpointSql, [endpointId, reason]))
}

export const retireEndpointSql = `select ${endpointColumns}\nfrom interop.retire_endpoint($1, $2)`

/**
 * The interface is gone for good; its messages stay.
 * @throws IllegalTransitionError (IM001), ReasonRequiredError (IM002), NotFoundError (IM005)
 */
export async function retireEndpoint(tx: Transaction, endpointId: string, reason: string): Promise<InteropEndpoint> {
  return single(await tx.query<InteropEndpoint>(retireEndpointSql, [endpointId, reason]))
}
