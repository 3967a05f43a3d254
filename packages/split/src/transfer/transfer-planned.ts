import { isDeepStrictEqual } from 'node:util'
import type { Database } from '@imhotep/postgres'
import { WrongStateError } from '../ledger/errors.ts'
import { isAtRest, serves, type State } from '../ledger/states.ts'
import { tableId, type MovedTable } from '../model.ts'
import type { ServicePlan, SplitPlan } from '../plan/split-plan.ts'
import { identifier, qualified } from '../postgres/sql-text.ts'
import { reverseLog } from '../protocol/move.ts'
import { run } from '../protocol/run.ts'
import type { Split } from '../split.ts'
import { ManifestError } from './errors.ts'
import { exportService } from './export-service.ts'
import { importService } from './import-service.ts'
import { readManifest, type Manifest } from './manifest.ts'

export interface TransferOptions {
  readonly directory: string
  readonly signal: AbortSignal
  readonly say: (text: string) => void
}

/** Writes all that a service needs into files: its own tables, and what it reads of others. */
export async function exportPlanned(
  split: Split,
  service: string,
  options: TransferOptions & { readonly chunkRows: number },
): Promise<Manifest> {
  const { tables, reference, common } = await split.servicePlan(service)
  const entries = await split.ledger.all()
  const stateOf = (name: string) => entries.find((entry) => entry.service === name)?.state
  const state = stateOf(service)
  if (state && serves(state) === 'own') {
    throw new WrongStateError(service, state, 'export', 'its rows are in its own database: copy that one, with pg_dump')
  }
  const plan = await split.plan()
  const copies = copiesFor(service, plan)
  const gone = copies.filter(({ owner }) => stateOf(owner) === 'retired')
  if (gone.length > 0) {
    const names = gone.map(({ table }) => tableId(table.source)).join(', ')
    options.say(`${service}: not exported, the shared database has them no more: ${names}`)
  }
  return exportService(
    split.source.side,
    {
      plan,
      tables: [...tables, ...reference, ...common],
      copies: copies.filter((copy) => !gone.includes(copy)).map(({ table }) => table),
    },
    { ...options, service },
  )
}

/** Tables of other services that it gets as read-only copies. */
function copiesFor(service: string, { services }: SplitPlan) {
  return services.flatMap(({ name: owner, copies }) =>
    copies.filter(({ readers }) => readers.includes(service)).map(({ table }) => ({ owner, table })),
  )
}

/** Loads an export into the database of its service, by the plan of the split. A cancelled or reverted service begins anew. */
export async function importPlanned(
  split: Split,
  service: string,
  { directory, signal, say }: TransferOptions,
): Promise<Manifest> {
  const manifest = readManifest(directory, { service, source: split.source.side.label })
  // The ledger of the export may be on a server that nobody sees from here.
  if ((await split.ledger.plan()) === null) await split.ledger.savePlan(manifest.plan)
  const plan = await split.servicePlan(service)
  checkTables(manifest, plan, copiesFor(service, await split.plan()), directory)
  await split.ledger.lock(service)
  const { state } = await split.ledger.read(service)
  if (!isAtRest(state)) throw new WrongStateError(service, state, 'import', wayToImport(service, state))
  const move = await split.moveOf(service)
  if (state !== 'mapped') {
    await run(move, 'mapped')
    await split.ledger.lock(service)
  }
  await importService(move.target, move.schema, manifest, {
    directory,
    signal,
    sequenceGap: move.options.sequenceGap,
    say,
  })
  await move.target.closeLog(reverseLog(service))
  await move.target.fence(service, move.reference)
  await move.schema.grant()
  await closeCopies(split.databaseOf(plan.database), plan.database, manifest)
  return manifest
}

/** @throws ManifestError when the plan gives the service other tables than the export has */
function checkTables(
  { service, tables, copies }: Manifest,
  plan: ServicePlan,
  planned: readonly { readonly table: MovedTable }[],
  directory: string,
): void {
  const own = [...plan.tables, ...plan.reference, ...plan.common]
  const exported = tables.map(({ table }) => table)
  const isPlanned = copies.every(({ table }) => planned.some((copy) => isDeepStrictEqual(copy.table, table)))
  if (!isPlanned || !isDeepStrictEqual(exported, own)) {
    throw new ManifestError(directory, service, 'it was made by another plan')
  }
}

function wayToImport(service: string, state: State): string {
  if (state === 'retired') return 'it has a database of its own for good; what the export holds was there before'
  if (serves(state) === 'own') return `take it back first: imhotep split revert ${service}`
  return `an import is the manual way: end the move first with: imhotep split cancel ${service}`
}

/** Nobody keeps them up to date from here on, but replication may do so later: the application must not write them. */
async function closeCopies(db: Database, database: string, { copies }: Manifest): Promise<void> {
  for (const { table } of copies) {
    await db.query(
      `revoke insert, update, delete, truncate on ${qualified(table.target)} from ${identifier(`${database}_app`)}`,
    )
  }
}
