import type { Database } from '@imhotep/postgres'
import { serves } from '../ledger/states.ts'
import type { ServiceEntry } from '../ledger/ledger.ts'
import type { ServicePlan, SplitPlan } from '../plan/split-plan.ts'
import type { Verification } from '../protocol/verify.ts'
import { ledgerDatabase, type Split } from '../split.ts'
import { compareNow } from './compare-now.ts'

/** What the tests ask about a service. */
export interface ServiceFacts {
  readonly split: Split
  readonly plan: SplitPlan
  readonly service: ServicePlan
  readonly entry: ServiceEntry
  /** Clients use the service's own database. */
  readonly isOwn: boolean
  /** Its tables are made, and all rows are there. */
  readonly isCopied: boolean
  /** The service's database, as its superuser. */
  readonly own: Database
  /** The server of all services. */
  readonly server: Database
  readonly signal: AbortSignal
  /**
   * The comparison of every value of both sides, made once; null when only one side is left.
   * @throws MoveUnderWayError
   */
  compared(): Promise<Verification | null>
}

/** Reads them; null for a service that has no database yet. */
export async function readFacts(
  split: Split,
  plan: SplitPlan,
  service: ServicePlan,
  signal: AbortSignal,
): Promise<ServiceFacts | null> {
  const server = split.databaseOf(ledgerDatabase)
  const [exists] = await server.query('select from pg_database where datname = $1', [service.database])
  const entry = await split.ledger.read(service.name)
  if (!exists || ['mapped', 'cleared', 'cancelled'].includes(entry.state)) return null
  let comparison: Promise<Verification | null> | undefined
  return {
    split,
    plan,
    service,
    entry,
    isOwn: serves(entry.state) === 'own',
    isCopied: !['provisioned', 'copying'].includes(entry.state),
    own: split.databaseOf(service.database),
    server,
    signal,
    compared: () => (comparison ??= compareNow(split, entry, signal)),
  }
}
