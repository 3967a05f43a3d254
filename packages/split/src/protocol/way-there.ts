import type { Obstacle, Orphans } from '../side.ts'
import type { ServiceEntry } from '../ledger/ledger.ts'
import type { Applier } from './applier.ts'
import { catchUp, startForward } from './appliers.ts'
import { copyTables } from './copy.ts'
import { NotEqualError, NotReadyError, OrphansError, SchemaChangedError, StorageChangedError } from './errors.ts'
import { tableFingerprints } from './fingerprint.ts'
import { allTables, forwardLog, type Move } from './move.ts'
import { createProgress } from './progress.ts'
import { mismatchText, verifySides, type Verification } from './verify.ts'

/** What two servers that keep time do not exceed. */
const clockSkewMs = 5_000

/** Drops the foreign keys that cross the service's border; a cancelled move puts them back. */
export async function clear(move: Move, entry: ServiceEntry): Promise<ServiceEntry> {
  const obstacles = [
    ...(await move.source.obstacles(allTables(move))),
    ...(await move.roomObstacles()),
    ...(await clockObstacles(move)),
  ]
  if (obstacles.length > 0) throw new NotReadyError(move.service, obstacles)
  // Behind the copy, when the keys are made, it would be hours later.
  if (move.innerKeys.length > 0) move.say(`${move.service}: looking for rows that point nowhere`)
  throwOrphans(move.service, await move.source.orphansOf(move.innerKeys))
  // Noted first: a crash in between leaves keys that are gone but not forgotten.
  const noted = await move.ledger.note(entry, { droppedKeys: move.crossingKeys })
  await move.looseKeys.watchShared()
  await move.source.dropForeignKeys(move.crossingKeys)
  return move.ledger.advance(noted, 'cleared')
}

async function clockObstacles({ source, target }: Move): Promise<Obstacle[]> {
  const asked = Date.now()
  const [there, here] = await Promise.all([source.clock(), target.clock()])
  const skew = Math.abs(there.getTime() - here.getTime()) - (Date.now() - asked)
  if (skew <= clockSkewMs) return []
  return [
    {
      code: 'IMH_SPLIT_CLOCK',
      message: `the clocks of ${source.label} and ${target.label} are ${Math.round(skew / 1000)} s apart`,
      hint: 'let both servers keep time (chrony, ntpd): rows would carry the wrong order and the lag could not be told',
    },
  ]
}

/** Makes the tables, closed for everybody but the mover, and has the source keep its changes from now on. */
export async function provision(move: Move, entry: ServiceEntry): Promise<ServiceEntry> {
  await move.schema.createTables()
  await move.target.fence(move.service, allTables(move))
  const forwardFrom = await move.source.openLog(forwardLog(move.service), allTables(move))
  const fingerprints = await tableFingerprints(move.source, allTables(move), await readStorage(move))
  return move.ledger.advance(entry, 'provisioned', { forwardFrom, fingerprints })
}

/** Copies all rows, applies what was written meanwhile, and builds indexes and keys. */
export async function copy(move: Move, entry: ServiceEntry): Promise<ServiceEntry> {
  const begun = entry.state === 'copying' ? entry : await move.ledger.advance(entry, 'copying')
  const copying = await copyTables(move, begun)
  move.say(`${move.service}: catching up`)
  const applier = await startForward(move, copying)
  try {
    await catchUp(move, applier, move.source)
  } finally {
    await applier.stop()
  }
  move.say(`${move.service}: building indexes and keys`)
  await move.schema.createKeys().catch(async (error: unknown) => {
    await checkOrphans(move)
    throw error
  })
  return move.ledger.advance(copying, 'streaming')
}

/** @throws OrphansError when rows inside the service point nowhere */
async function checkOrphans({ service, target }: Move): Promise<void> {
  throwOrphans(service, await target.orphans())
}

function throwOrphans(service: string, orphans: readonly Orphans[]): void {
  if (orphans.length === 0) return
  throw new OrphansError(
    service,
    orphans.map(({ table, constraint, rows }) => `${table.schema}.${table.name} (${constraint}): ${rows}`),
  )
}

/** Compares every value of both sides while the applier runs. */
export async function verify(
  move: Move,
  entry: ServiceEntry,
  applier: Applier,
): Promise<{ readonly entry: ServiceEntry; readonly verification: Verification }> {
  const storage = await readStorage(move)
  await checkFingerprints(move, entry, storage)
  await catchUp(move, applier, move.source)
  const progress = createProgress(0, (text) => move.say(`verifying ${move.service}: ${text}`))
  const verification = await verifySides(move.source, move.target, allTables(move), applier, {
    rangeRows: move.options.chunkRows,
    signal: move.signal,
    onRows: progress.add,
  })
  if (!verification.equal) throw new NotEqualError(move.service, mismatchText(verification), verification, 'there')
  await checkOrphans(move)
  const { tables, rows } = verification
  const verified = { at: new Date().toISOString(), tables: tables.length, rows, files: filesOf(storage) }
  if (entry.state === 'verified') return { entry: await move.ledger.note(entry, { verified }), verification }
  return { entry: await move.ledger.advance(entry, 'verified', { verified }), verification }
}

type Storage = Awaited<ReturnType<Move['source']['storage']>>

export function readStorage(move: Move): Promise<Storage> {
  return move.source.storage(allTables(move))
}

/** @throws SchemaChangedError when a table was altered since the move began */
export async function checkFingerprints(move: Move, { detail }: ServiceEntry, storage: Storage): Promise<void> {
  const now = await tableFingerprints(move.source, allTables(move), storage)
  const changed = changedNames(now, detail.fingerprints)
  if (changed.length > 0) throw new SchemaChangedError(move.service, changed)
}

/** @throws StorageChangedError when rows may have come or gone past the log since the verification */
export function checkFiles(move: Move, { detail }: ServiceEntry, storage: Storage): void {
  const changed = changedNames(filesOf(storage), detail.verified?.files)
  if (changed.length > 0) throw new StorageChangedError(move.service, changed)
}

function changedNames(now: Readonly<Record<string, string>>, before: Readonly<Record<string, string>> = {}): string[] {
  return Object.keys(now).filter((name) => now[name] !== before[name])
}

function filesOf(storage: Storage): Record<string, string> {
  return Object.fromEntries(Object.entries(storage).map(([name, { files }]) => [name, files]))
}
