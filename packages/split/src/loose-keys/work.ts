import { tableId, type TableName } from '../model.ts'
import type { DeletedKey, LooseEnd, LooseKey, LooseTable } from './loose-key.ts'

const batch = 1_000

/** Where the tables of a service are right now. */
export interface LooseWorld {
  /** The databases that may hold deleted keys: the shared one and those of the services. */
  readonly ends: readonly LooseEnd[]
  /** The database that serves the table, and the table's name there. */
  locate(table: LooseTable): { readonly end: LooseEnd; readonly name: TableName }
}

export interface WorkResult {
  /** Parents that are settled. */
  readonly keys: number
  /** Children that were deleted or nullified. */
  readonly rows: number
}

/**
 * Settles the children of parents that were deleted up to now. Deleted keys are forgotten after their children are gone, so
 * that a worker that dies in between does some of it again, which changes nothing.
 */
export async function workLooseKeys(
  keys: readonly LooseKey[],
  world: LooseWorld,
  signal: AbortSignal,
): Promise<WorkResult> {
  let settled = 0
  let rows = 0
  // What is deleted here may be the parent of others, at most as often as there are keys.
  for (let round = 0; round <= keys.length; round++) {
    const done = await settleDeleted(keys, world, signal)
    settled += done.keys
    rows += done.rows
    if (done.rows === 0) break
  }
  return { keys: settled, rows }
}

/** What is deleted meanwhile is for the next time: where somebody always deletes, this would never end. */
async function settleDeleted(keys: readonly LooseKey[], world: LooseWorld, signal: AbortSignal): Promise<WorkResult> {
  let settled = 0
  let rows = 0
  for (const end of world.ends) {
    for (let found = batch; found === batch;) {
      signal.throwIfAborted()
      const deleted = await end.deleted(batch)
      found = deleted.length
      for (const table of new Set(deleted.map((key) => key.table))) {
        const ofTable = deleted.filter((key) => key.table === table)
        const concerned = keys.filter(({ parent }) => isNamed(parent, table))
        rows += await settleChildren(concerned, ofTable, world, signal)
      }
      if (found > 0) await end.forget(deleted.map(({ id }) => id))
      settled += deleted.length
    }
  }
  return { keys: settled, rows }
}

async function settleChildren(
  keys: readonly LooseKey[],
  deleted: readonly DeletedKey[],
  world: LooseWorld,
  signal: AbortSignal,
): Promise<number> {
  let rows = 0
  for (const { child, parent, onDelete } of keys) {
    if (onDelete === 'report') continue
    const gone = deleted
      .map((key) => parent.columns.map((name) => key.values[key.columns.indexOf(name)]))
      .filter(isWhole)
    // A key that somebody used again in the meantime has children of its own.
    const { end, name } = world.locate(parent)
    const missing = await end.missingKeys(name, parent.columns, gone)
    if (missing.length === 0) continue
    const children = world.locate(child)
    for (let changed = batch; changed === batch;) {
      signal.throwIfAborted()
      changed = await children.end.settle(children.name, child.columns, missing, onDelete, batch)
      rows += changed
    }
  }
  return rows
}

/** Keys that children refer to and no parent has, by loose key: what no trigger saw. */
export async function findLooseOrphans(
  keys: readonly LooseKey[],
  world: LooseWorld,
  signal: AbortSignal,
): Promise<{ readonly name: string; readonly keys: number }[]> {
  const found: { name: string; keys: number }[] = []
  for (const { name, child, parent } of keys) {
    const children = world.locate(child)
    const parents = world.locate(parent)
    let missing = 0
    for (let after: string[] | null = null; ;) {
      signal.throwIfAborted()
      const referred = await children.end.referredKeys(children.name, child.columns, after, batch)
      missing += (await parents.end.missingKeys(parents.name, parent.columns, referred)).length
      const last = referred.at(-1)
      if (last === undefined || referred.length < batch) break
      after = last
    }
    if (missing > 0) found.push({ name, keys: missing })
  }
  return found
}

/** Nobody can refer to a key that is null in part. */
function isWhole(key: readonly (string | null | undefined)[]): key is string[] {
  return key.every((value) => typeof value === 'string')
}

function isNamed({ shared, own }: LooseTable, table: string): boolean {
  return [shared, own].some((one) => tableId(one) === table)
}
