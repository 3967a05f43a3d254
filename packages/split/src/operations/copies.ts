import { dropReadOnlyCopy, makeReadOnlyCopy } from '../postgres/read-only-copy.ts'
import { serves } from '../ledger/states.ts'
import type { Split } from '../split.ts'

/**
 * Serves the tables that the owner map calls copies, in the databases of their readers, by the server's own replication:
 * from the owner's database, as soon as both have one.
 */
export async function makeReadOnlyCopies(split: Split): Promise<number> {
  const pairs = await readyPairs(split)
  for (const pair of pairs) await makeReadOnlyCopy(pair)
  return pairs.length
}

/** Ends the replication; the rows stay where they are. */
export async function dropReadOnlyCopies(split: Split): Promise<void> {
  for (const pair of await readyPairs(split)) await dropReadOnlyCopy(pair)
}

async function readyPairs(split: Split) {
  const { kind, services } = await split.plan()
  const entries = await split.ledger.all()
  const hasOwn = (service: string) =>
    entries.some((entry) => entry.service === service && serves(entry.state) === 'own')
  return services
    .filter(({ name }) => hasOwn(name))
    .flatMap(({ database, copies }) =>
      services
        .filter(({ name }) => hasOwn(name))
        .map((reader) => ({
          ownerUrl: split.adminUrl(database),
          readerUrl: split.adminUrl(reader.database),
          tables: copies.filter(({ readers }) => readers.includes(reader.name)).map(({ table }) => table.target),
        })),
    )
    .filter(({ tables }) => tables.length > 0 && kind === 'mariadb')
}
