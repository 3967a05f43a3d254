import { ImhotepError } from '@imhotep/base'
import type { Obstacle } from '../side.ts'
import type { Verification } from './verify.ts'

/** A server or a table is not ready for a move. */
export class NotReadyError extends ImhotepError {
  readonly code = 'IMH_SPLIT_NOT_READY'
  readonly obstacles: readonly Obstacle[]
  constructor(service: string, obstacles: readonly Obstacle[]) {
    const [first] = obstacles
    const more = obstacles.length > 1 ? ` (and ${obstacles.length - 1} more)` : ''
    super(`${service} cannot be moved: ${first?.message ?? 'unknown'}${more}`, {
      hint: obstacles.map(({ hint }) => hint).join('\n'),
    })
    this.obstacles = obstacles
  }
}

/** The two databases hold different rows. Names tables and keys, never values. */
export class NotEqualError extends ImhotepError {
  readonly code = 'IMH_SPLIT_NOT_EQUAL'
  readonly verification: Verification
  /** @param way of the log that leads from what clients write to what differs */
  constructor(service: string, summary: string, verification: Verification, way: 'there' | 'back') {
    const wayOut =
      way === 'there'
        ? 'then move the service anew: imhotep split cancel, run'
        : `clients use the service's database and are not concerned, but do not revert yet. Find who writes to the shared ` +
          'tables past the fence and correct the rows there (on PostgreSQL with session_replication_role = replica, on ' +
          'MariaDB with @imhotep_split_apply = 1); or give the way back up: imhotep split retire'
    super(`${service}: the two databases differ: ${summary}`, {
      hint: `see each row with: imhotep split verify --json; ${wayOut}`,
    })
    this.verification = verification
  }
}

/** Tables of the shared database were changed while they were on their way. */
export class SchemaChangedError extends ImhotepError {
  readonly code = 'IMH_SPLIT_SCHEMA_CHANGED'
  constructor(service: string, tables: readonly string[]) {
    super(`${service}: tables were altered or exchanged in mid-move: ${tables.join(', ')}`, {
      hint: 'cancel and run the move again: imhotep split cancel, then run; hold back migrations until it is over',
    })
  }
}

/** Rows may have come or gone past the log, which tells of none of this. */
export class StorageChangedError extends ImhotepError {
  readonly code = 'IMH_SPLIT_STORAGE_CHANGED'
  constructor(service: string, tables: readonly string[]) {
    super(
      `${service}: since the verification a partition was emptied, attached or detached, or the table was written anew: ${tables.join(', ')}`,
      { hint: 'verify it again: imhotep split verify; hold back such work until the switch is over' },
    )
  }
}

/** Partitions of the service's database came or went since the switch, with rows that the log of the way back does not tell of. */
export class PartitionsError extends ImhotepError {
  readonly code = 'IMH_SPLIT_PARTITIONS'
  /** @param difference of the rows; none when it happened just now */
  constructor(service: string, tables: readonly string[], difference?: string) {
    const what = difference === undefined ? 'just now' : `since the switch, and the databases differ: ${difference}`
    super(`${service}: partitions of ${tables.join(', ')} were made, attached, detached or dropped ${what}`, {
      hint:
        'rows of one that was attached: update each of them, so that the log tells of it; of one that was detached: attach it, ' +
        'delete the rows, detach it; then run it again. Or give the way back up: imhotep split retire',
    })
  }
}

/** The receiving side does not catch up. */
export class LagError extends ImhotepError {
  readonly code = 'IMH_SPLIT_LAG'
  constructor(service: string, seconds: number) {
    super(`${service}: the copy did not catch up within ${seconds} s`, {
      hint: 'try again in a quieter hour, or raise --max-wait; nothing was switched',
    })
  }
}

/** The last changes did not arrive while clients stood still. */
export class DrainError extends ImhotepError {
  readonly code = 'IMH_SPLIT_DRAIN'
  constructor(service: string, seconds: number) {
    super(`${service}: the last changes did not arrive within ${seconds} s; clients are let in again where they were`, {
      hint: 'see what holds the receiving tables or server (pg_locks, pg_stat_activity), then run it again; --max-gap waits longer',
    })
  }
}

/** Rows of a service, in the shared database or in its own, point nowhere. */
export class OrphansError extends ImhotepError {
  readonly code = 'IMH_SPLIT_ORPHANS'
  constructor(service: string, constraints: readonly string[]) {
    super(`${service}: rows point to rows that do not exist: ${constraints.join(', ')}`, {
      hint:
        'repair them in the shared database (its checks were off when they were written): delete them, insert what they point to, ' +
        'or set their columns to null; then run it again',
    })
  }
}

/** The last proof that both sides are equal is missing or too old. */
export class StaleVerificationError extends ImhotepError {
  readonly code = 'IMH_SPLIT_STALE_VERIFICATION'
  constructor(service: string, hours: number) {
    super(`${service} was not verified in the last ${hours} h`, { hint: 'verify it: imhotep split verify' })
  }
}
