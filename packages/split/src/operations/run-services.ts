import { serves, type State } from '../ledger/states.ts'
import type { Applier } from '../protocol/applier.ts'
import { catchUp } from '../protocol/appliers.ts'
import { makeReadOnlyCopies } from './copies.ts'
import { NotEqualError } from '../protocol/errors.ts'
import type { Move } from '../protocol/move.ts'
import { run } from '../protocol/run.ts'
import { mismatchText, verifySides } from '../protocol/verify.ts'
import { retire } from '../protocol/way-back.ts'
import type { Split } from '../split.ts'

export interface ServiceResult {
  readonly service: string
  readonly state: State
  /** Rows whose every value was compared; null when nothing was. */
  readonly verifiedRows: number | null
  /** Milliseconds from the fence to the open route; null when it was not switched in this run. */
  readonly gapMs: number | null
  readonly seconds: number
}

export interface RunOptions {
  readonly services: readonly string[]
  readonly goal: State
  /** Compares once more from the way back, then gives the way back up. */
  readonly retire?: boolean
}

/**
 * Moves services one after the other. Those that are switched are followed back into the shared database until the run is
 * over, so that each can be reverted.
 */
export async function runServices(split: Split, options: RunOptions): Promise<ServiceResult[]> {
  const results: ServiceResult[] = []
  const following: { readonly move: Move; readonly reverse: Applier }[] = []
  try {
    for (const service of options.services) {
      const started = performance.now()
      await split.servicePlan(service)
      const before = await split.ledger.read(service)
      if (before.state === 'retired') {
        results.push({ service, state: 'retired', verifiedRows: null, gapMs: null, seconds: 0 })
        continue
      }
      const move = await split.moveOf(service)
      const { entry, verification, reverse } = await run(move, options.goal)
      if (reverse) {
        following.push({ move, reverse })
        const projections = await split.projections()
        await projections.tell()
      }
      results.push({
        service,
        state: entry.state,
        verifiedRows: verification?.rows ?? null,
        gapMs: serves(before.state) === 'own' ? null : (entry.detail.gapMs ?? null),
        seconds: (performance.now() - started) / 1000,
      })
    }
    if (options.goal !== 'reversible') return results
    await makeReadOnlyCopies(split)
    if (!options.retire) return results
    for (const { move, reverse } of following) {
      await verifyBack(move, reverse)
      await reverse.stop()
      await retire(move, await move.ledger.read(move.service))
    }
    await split.setReferenceAside()
    return results.map((result) => ({ ...result, state: 'retired' as const }))
  } finally {
    for (const { reverse } of following) await reverse.stop()
  }
}

/** Compares the shared database, which follows, with the service's, which clients write to. */
export async function verifyBack(move: Move, reverse: Applier) {
  await catchUp(move, reverse, move.target)
  const verification = await verifySides(move.target, move.source, move.tables, reverse, {
    rangeRows: move.options.chunkRows,
    signal: move.signal,
  })
  if (!verification.equal) throw new NotEqualError(move.service, mismatchText(verification), verification, 'back')
  return verification
}
