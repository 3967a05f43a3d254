import { dropReadOnlyCopy, makeReadOnlyCopy } from '../postgres/read-only-copy.ts'
import { serves } from '../ledger/states.ts'
import { CopyWorkersError } from '../errors.ts'
import type { Split } from '../split.ts'

const spareWorkers = 2

/**
 * Serves the tables that the owner map calls copies, in the databases of their readers, by the server's own replication:
 * from the owner's database, as soon as both have one.
 */
export async function makeReadOnlyCopies(split: Split): Promise<number> {
  const pairs = await readyPairs(split)
  if (pairs.length > 0) await checkWorkers(split, pairs.length)
  for (const pair of pairs) await makeReadOnlyCopy(pair)
  return pairs.length
}

/**
 * Ends the replication from and to a service that was taken back: its database is written to no more, and could not be
 * dropped. The rows stay where they are, as old as they are.
 */
export async function dropReadOnlyCopiesOf(split: Split, service: string): Promise<void> {
  const concerned = (await readyPairs(split, service)).filter(({ names }) => names.includes(service))
  for (const pair of concerned) await dropReadOnlyCopy(pair)
}

/** Each copy has a worker of the server for itself, and another one while its rows are copied. */
async function checkWorkers(split: Split, copies: number): Promise<void> {
  const [row] = await split.databaseOf('postgres').query<{ workers: number; processes: number }>(
    `select current_setting('max_logical_replication_workers')::int as workers,
              current_setting('max_worker_processes')::int as processes`,
  )
  const needed = copies + spareWorkers
  const found = Math.min(row?.workers ?? 0, (row?.processes ?? 0) - 1)
  if (found < needed) throw new CopyWorkersError(copies, needed)
}

/** Of services that serve, and of one that did. */
async function readyPairs(split: Split, takenBack?: string) {
  const { services } = await split.plan()
  const entries = await split.ledger.all()
  const hasOwn = (service: string) =>
    service === takenBack || entries.some((entry) => entry.service === service && serves(entry.state) === 'own')
  return services
    .filter(({ name }) => hasOwn(name))
    .flatMap(({ name: owner, database, copies }) =>
      services
        .filter(({ name }) => hasOwn(name))
        .map((reader) => ({
          names: [owner, reader.name],
          ownerUrl: split.adminUrl(database),
          readerUrl: split.adminUrl(reader.database),
          tables: copies.filter(({ readers }) => readers.includes(reader.name)).map(({ table }) => table.target),
        })),
    )
    .filter(({ tables }) => tables.length > 0)
}
