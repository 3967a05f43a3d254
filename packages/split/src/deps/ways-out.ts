import type { SharedForeignKey, SharedTable } from '../model.ts'
import type { DependencyKind, WayOut } from './dependency.ts'

export interface Choice {
  readonly wayOut: WayOut
  readonly reason: string
}

/** From so many executions on a call over the network costs more than a copy. */
const OFTEN = 1_000

/** Columns that say who did it: the number alone is enough, nobody deletes what it names. */
const whoDidIt = /_by(_id)?$/

/** What replaces a foreign key into another service. The first rule that fits decides. */
export function wayOutOfForeignKey(key: SharedForeignKey, table: SharedTable): Choice {
  const [column = ''] = key.columns
  if (key.onDelete === 'cascade' || key.onDelete === 'set null') {
    return { wayOut: 'loose foreign key', reason: `on delete ${key.onDelete}: the other service tells what it deleted` }
  }
  if (key.columns.length === 1 && whoDidIt.test(column)) {
    return { wayOut: 'own id', reason: `${column} says who did it: the number stays, without a check` }
  }
  const optional = table.columns.find(({ name }) => name === column)?.nullable ?? false
  return optional
    ? { wayOut: 'own id', reason: 'it may be empty and deletes nothing: the number stays, without a check' }
    : {
        wayOut: 'loose foreign key',
        reason: 'rows must not lead nowhere: deletions are followed, orphans are looked for',
      }
}

export interface Use {
  readonly kind: DependencyKind
  readonly writes: boolean
  readonly count: number
  /** The owner map gives the service a copy, or all of them. */
  readonly hasCopy: boolean
}

/** What replaces a use of another service's table. The first rule that fits decides. */
export function wayOutOfUse({ kind, writes, count, hasCopy }: Use): Choice {
  if (kind === 'transaction') {
    return {
      wayOut: 'event',
      reason: 'one transaction writes both: the first writes and announces it, the other follows',
    }
  }
  if (writes) return { wayOut: 'event', reason: 'it writes what another service owns: announce it, the owner writes' }
  if (hasCopy) return { wayOut: 'local copy', reason: 'it only reads, and the owner map gives the service a copy' }
  if (kind === 'trigger' || kind === 'generated column') {
    return { wayOut: 'denormalise', reason: 'it reads while a row is written: keep the value in the row' }
  }
  if (count >= OFTEN) return { wayOut: 'local copy', reason: `it reads ${count} times: a copy is cheaper than calls` }
  return { wayOut: 'batch call', reason: 'it only reads: ask the other service once for all rows' }
}
