import { ImhotepError } from '@imhotep/base'

/** Somebody holds a table or view so that nobody can read its definition, for longer than a reader waits. */
export class CatalogLockedError extends ImhotepError {
  readonly code = 'IMH_CATALOG_LOCKED'
  override readonly exitCode = 2
  readonly pid: number | null
  constructor(lock: string, pid: number | null, options: ErrorOptions = {}) {
    super(`the definitions of the database could not be read: ${lock}`, {
      ...options,
      hint: `run it again when that transaction is over; when nobody needs it: select pg_terminate_backend(${pid ?? 'pid'})`,
    })
    this.pid = pid
  }
}
