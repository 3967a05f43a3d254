import type { State } from '../ledger/states.ts'
import { slotLag } from '../postgres/change-log.ts'
import { forwardLog, reverseLog } from '../protocol/move.ts'
import type { Split } from '../split.ts'
import type { LogLag } from './split-status.ts'

/** How far the copy is behind before the switch, or the shared database behind it; null where no log is open. */
export async function readLag(
  split: Split,
  { name, database }: { readonly name: string; readonly database: string },
  state: State,
): Promise<LogLag | null> {
  if (state === 'reversible' || state === 'reverting') {
    const lag = await slotLag(split.databaseOf(database), reverseLog(name))
    return lag && { direction: 'reverse', ...lag }
  }
  if (!['copying', 'streaming', 'verified', 'armed', 'fenced', 'drained'].includes(state)) return null
  const log = forwardLog(name)
  const [row] = await split
    .databaseOf(database)
    .query<{ position: string }>('select position from imhotep_split.applied where log = $1', [log])
  const lag = await split.source.logLag(log, row?.position ?? null)
  return lag && { direction: 'forward', ...lag }
}
