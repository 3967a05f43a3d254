import { keyOfRow } from '../key-of-row.ts'
import type { Change, Key, MovedTable, Row } from '../model.ts'

/** What becomes of one row by many changes: it has these values in the end, or it is gone. */
export interface Outcome {
  readonly key: Key
  /** Null when the row is gone. Values left out by the log are undefined. */
  readonly row: Row | null
}

/** Outcomes of changes to one table, by key. */
export interface TableOutcomes {
  readonly table: MovedTable
  readonly outcomes: ReadonlyMap<string, Outcome>
}

/**
 * Reduces changes to one outcome for each row. What cannot be told from the changes alone (a truncated table, a row that took
 * another key and of which the log left values out) ends a group: groups are applied one behind the other.
 */
export function coalesce(changes: readonly Change[]): (TableOutcomes[] | Change)[] {
  const groups: (TableOutcomes[] | Change)[] = []
  let group = new Map<MovedTable, Map<string, Outcome>>()
  const endGroup = () => {
    if (group.size > 0) groups.push([...group].map(([table, outcomes]) => ({ table, outcomes })))
    group = new Map()
  }

  for (const change of changes) {
    let outcomes = group.get(change.table)
    if (!outcomes) group.set(change.table, (outcomes = new Map()))
    if (addOutcome(outcomes, change)) continue
    endGroup()
    groups.push(change)
  }
  endGroup()
  return groups.filter((found) => !Array.isArray(found) || found.some(({ outcomes }) => outcomes.size > 0))
}

/** False when the change needs the rows as they are. */
function addOutcome(outcomes: Map<string, Outcome>, change: Change): boolean {
  const { kind, table, key, row } = change
  if (kind === 'truncate') return false
  if (kind === 'delete') {
    outcomes.set(keyText(key as Key), { key: key as Key, row: null })
    return true
  }

  const newKey = keyOfRow(table, row as Row)
  const oldKey = kind === 'insert' ? newKey : (key as Key)
  const before = outcomes.get(keyText(oldKey))
  const isMoved = keyText(oldKey) !== keyText(newKey)
  const filled = (row as Row).map((value, at) => (value === undefined ? before?.row?.[at] : value))
  if (isMoved && filled.includes(undefined)) return false
  if (isMoved) outcomes.set(keyText(oldKey), { key: oldKey, row: null })
  // Behind its own deletion a row with values left out cannot be: it would have come as an insert.
  outcomes.set(keyText(newKey), { key: newKey, row: filled })
  return true
}

function keyText(key: Key): string {
  return key.length === 1 ? (key[0] as string) : JSON.stringify(key)
}
