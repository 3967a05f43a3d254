import type { Transaction } from '@imhotep/postgres'
import { single } from '../rows.ts'
import { documentColumns, type Document } from './document.ts'

export const recordVirusScanSql = `select ${documentColumns}\nfrom ehr.record_virus_scan($1, $2)`

/**
 * Records the scanner's answer; an infected file is discarded at once.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005)
 */
export async function recordVirusScan(
  tx: Transaction,
  documentId: string,
  result: 'clean' | 'infected',
): Promise<Document> {
  return single(await tx.query<Document>(recordVirusScanSql, [documentId, result]))
}

export const finaliseDocumentSql = `select ${documentColumns}\nfrom ehr.finalise_document($1)`

/**
 * Makes a clean document current; the version before it is superseded in the same moment.
 * @throws IllegalTransitionError (IM001), NotFoundError (IM005), NotPermittedError (IM006) not clean, or a later version is in use
 */
export async function finaliseDocument(tx: Transaction, documentId: string): Promise<Document> {
  return single(await tx.query<Document>(finaliseDocumentSql, [documentId]))
}

export const discardDocumentSql = `select ${documentColumns}\nfrom ehr.discard_document($1, $2)`

/**
 * Drops a document that never became current.
 * @throws IllegalTransitionError (IM001), ReasonRequiredError (IM002), NotFoundError (IM005)
 */
export async function discardDocument(tx: Transaction, documentId: string, reason: string): Promise<Document> {
  return single(await tx.query<Document>(discardDocumentSql, [documentId, reason]))
}

export const markDocumentInErrorSql = `select ${documentColumns}\nfrom ehr.mark_document_in_error($1, $2)`

/**
 * Marks a current document as wrong; it stays as evidence.
 * @throws IllegalTransitionError (IM001), ReasonRequiredError (IM002), NotFoundError (IM005)
 */
export async function markDocumentInError(tx: Transaction, documentId: string, reason: string): Promise<Document> {
  return single(await tx.query<Document>(markDocumentInErrorSql, [documentId, reason]))
}
