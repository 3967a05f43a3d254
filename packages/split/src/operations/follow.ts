import { once } from 'node:events'
import type { Applier } from '../protocol/applier.ts'
import { startForward, startReverse } from '../protocol/appliers.ts'
import { recover } from '../protocol/recover.ts'
import type { Split } from '../split.ts'
import { workLooseKeysOf } from './loose-keys.ts'

const looseKeysEveryMs = 1_000

/**
 * Keeps the other side of every service up to date until the signal comes: the copy of those that wait for their switch,
 * the shared database of those that may be reverted. Works off loose foreign keys and tells services of others' rows
 * meanwhile.
 */
export async function follow(split: Split, signal: AbortSignal): Promise<readonly string[]> {
  const appliers: Applier[] = []
  const services: string[] = []
  try {
    for (const { service, state } of await split.ledger.all()) {
      if (!['streaming', 'verified', 'reversible'].includes(state)) continue
      await split.ledger.lock(service)
      const move = await split.moveOf(service)
      const entry = await recover(move)
      appliers.push(await (entry.state === 'reversible' ? startReverse(move, entry) : startForward(move, entry)))
      services.push(service)
    }
    await Promise.race([untilAborted(signal), settleLooseKeys(split, signal), ...appliers.map(({ failed }) => failed)])
    return services
  } finally {
    for (const applier of appliers) await applier.stop()
    for (const service of services) await split.ledger.unlock(service).catch(() => undefined)
  }
}

/** A relay hands services each other's events from now on: nothing remembers changes for `follow` any more. */
export async function stopFollowing(split: Split): Promise<readonly string[]> {
  const projections = await split.projections()
  await projections.stop()
  const { services } = await split.plan()
  return services.map(({ name }) => name)
}

async function untilAborted(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await once(signal, 'abort')
}

async function settleLooseKeys(split: Split, signal: AbortSignal): Promise<void> {
  const projections = await split.projections()
  while (!signal.aborted) {
    await workLooseKeysOf(split, signal)
    await projections.tell()
    await new Promise((resolve) => setTimeout(resolve, looseKeysEveryMs))
  }
}
