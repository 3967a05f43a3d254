import { WrongStateError } from '../ledger/errors.ts'
import type { ServiceEntry } from '../ledger/ledger.ts'
import { suggestMap, type SuggestedMap } from '../map/suggest-map.ts'
import { startForward, startReverse } from '../protocol/appliers.ts'
import { recover } from '../protocol/recover.ts'
import type { Move } from '../protocol/move.ts'
import { run } from '../protocol/run.ts'
import { dropReadOnlyCopiesOf } from './copies.ts'
import { endWatches } from './end-watches.ts'
import type { Verification } from '../protocol/verify.ts'
import { cancel, retire, revert } from '../protocol/way-back.ts'
import { verify } from '../protocol/way-there.ts'
import type { Split } from '../split.ts'
import { verifyBack } from './run-services.ts'

/** A first draft of an owner map, from the foreign keys and names of the shared database. */
export async function suggestOwners(split: Split): Promise<SuggestedMap> {
  return suggestMap(await split.source.side.catalog())
}

/** Compares every value of both databases, in the direction that the service has reached. */
export async function verifyService(split: Split, service: string): Promise<Verification> {
  const { ledger } = split
  await ledger.lock(service)
  const move = await split.moveOf(service)
  let entry = await recover(move)
  if (entry.state === 'reversible') {
    const applier = await startReverse(move, entry)
    try {
      return await verifyBack(move, applier)
    } finally {
      await applier.stop()
    }
  }
  if (entry.state !== 'streaming' && entry.state !== 'verified') {
    await ledger.unlock(service)
    entry = (await run(move, 'streaming')).entry
    await ledger.lock(service)
  }
  const applier = await startForward(move, entry)
  try {
    return (await verify(move, entry, applier)).verification
  } finally {
    await applier.stop()
  }
}

/** Ends a move that did not switch: the shared database serves on as if nothing had been. */
export async function cancelService(split: Split, service: string): Promise<ServiceEntry> {
  const entry = await stepOf(split, service, cancel)
  await endWatches(split)
  return entry
}

/** Gives up the way back of a service that was switched. */
export function retireService(split: Split, service: string): Promise<ServiceEntry> {
  return stepOf(split, service, retire)
}

async function stepOf(split: Split, service: string, step: typeof cancel): Promise<ServiceEntry> {
  await split.ledger.lock(service)
  const move = await split.moveOf(service)
  return step(move, await recover(move))
}

/** Takes a service back to the shared database, with everything that was written in its own. */
export async function revertService(split: Split, service: string): Promise<ServiceEntry> {
  await split.ledger.lock(service)
  const move = await split.moveOf(service)
  const entry = await recover(move)
  const reverted = entry.state === 'reverted' ? entry : await revertNow(move, entry)
  await dropReadOnlyCopiesOf(split, service)
  const projections = await split.projections()
  await projections.returned(service)
  await projections.tell()
  await endWatches(split)
  return reverted
}

async function revertNow(move: Move, entry: ServiceEntry): Promise<ServiceEntry> {
  if (entry.state !== 'reversible') {
    throw new WrongStateError(
      move.service,
      entry.state,
      'revert',
      'a move that did not switch is ended with: imhotep split cancel',
    )
  }
  const applier = await startReverse(move, entry)
  try {
    return await revert(move, entry, applier)
  } finally {
    await applier.stop()
  }
}
