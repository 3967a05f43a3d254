import type { ServiceEntry } from '../ledger/ledger.ts'
import { writableTables, type Move } from './move.ts'
import { completeSwitch, unprepare, unswitch } from './switch.ts'
import { cancel, completeRevert, retire, unrevert } from './way-back.ts'

/**
 * Makes a service whole after a process, a server or a network died in any state: before a point of no return everything
 * that was begun is taken back, behind it everything that was left is done. Does no harm to a move that is whole.
 */
export async function recover(move: Move): Promise<ServiceEntry> {
  const entry = await move.ledger.read(move.service)
  switch (entry.state) {
    case 'streaming':
    case 'verified':
      await move.source.unfence(move.service, move.tables)
      return entry
    case 'armed':
    case 'fenced':
    case 'drained':
      return unswitch(move, entry)
    case 'committed':
      return completeSwitch(move, entry)
    case 'reversible':
      await move.target.unfence(move.service, writableTables(move))
      await unprepare(move, move.target)
      return entry
    case 'reverting':
      return unrevert(move, entry)
    case 'reverted':
      return completeRevert(move, entry)
    case 'retired':
      return retire(move, entry)
    case 'cancelled':
      return cancel(move, entry)
    case 'mapped':
    case 'cleared':
    case 'provisioned':
    case 'copying':
    default:
      return entry
  }
}
