import type { Catalog } from '../catalog/model.ts'
import { orderedObjects } from '../print/print-catalog.ts'
import { changesOf } from './changes.ts'
import { diffAccess } from './diff-access.ts'
import { diffComments } from './diff-comments.ts'
import type { DiffStatement } from './diff-statement.ts'
import { clearTheWay, dropLeftovers } from './drop-leftovers.ts'
import { loosen } from './loosen.ts'
import { alterRoles, make, unprintable } from './make.ts'
import { putNewValuesFirst } from './new-values-first.ts'
import { putOutsideLast } from './put-outside-last.ts'
import { markRemade } from './remade.ts'
import { switchedOff } from './switched-off.ts'

export interface DiffOptions {
  /**
   * Indexes and keys on tables that are there are built, and constraints validated, while everybody works. Such statements
   * are `outside` of the transaction that the others can be. Default true; else everything fits into one, but for a new
   * value of an enum that is used.
   */
  readonly concurrently: boolean
}

/**
 * The statements that turn one schema into another, in an order that PostgreSQL accepts, each with what it does to those
 * who use the database; those outside of a transaction come last, but for new values of enums. Nothing is guessed: a
 * renamed column is a dropped and an added one, and the hazard says so.
 */
export async function diffCatalogs(
  left: Catalog,
  right: Catalog,
  options: Partial<DiffOptions> = {},
): Promise<DiffStatement[]> {
  const changes = changesOf(left, right)
  if (changes.differences.length === 0) return []
  const before = await orderedObjects(left)
  const after = await orderedObjects(right)
  markRemade(changes, left, before)
  const chosen: DiffOptions = { concurrently: options.concurrently ?? true }
  const catalogs = { left, right }
  const cleared = [...loosen(changes, left, right, before), ...clearTheWay(changes, catalogs, before)]
  const made = [
    ...make(changes, catalogs, after, chosen),
    ...alterRoles(changes, left, right),
    ...unprintable(changes, left, right),
    ...switchedOff(changes, left, right),
    ...dropLeftovers(changes, catalogs, before),
    ...diffAccess(changes, left, right),
    ...diffComments(changes, left, right),
  ]
  const statements = [...cleared, ...putOutsideLast(made, right)]
  return putNewValuesFirst(needsLateBodies(statements) ? [LATE_BODIES, ...statements] : statements, right)
}

/** A body may name what a later statement makes. */
const LATE_BODIES: DiffStatement = {
  sql: 'set check_function_bodies = off',
  object: 'session',
  hazard: null,
  reason: null,
}

function needsLateBodies(statements: readonly DiffStatement[]): boolean {
  const isRoutine = ({ sql }: DiffStatement) => /^create (or replace )?(function|procedure)/.test(sql)
  return statements.some(isRoutine) && statements.length > 1
}
