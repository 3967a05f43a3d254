import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { isDeepStrictEqual } from 'node:util'
import { applyMigrations, readModules, seedFiles, type Module, type SeedFile, type SeedKind } from '@imhotep/engine'
import { connect, type Connection } from '@imhotep/postgres'
import { countRows } from './support/count-rows.ts'
import { cloneOf, emptyDatabase, hospitalDatabase, type TestDatabase } from './support/database.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

let modules: Module[]
let unseeded: TestDatabase
before(async () => {
  modules = await readModules(`${root}/schema`)
  unseeded = await emptyDatabase()
  await applyMigrations(unseeded.url, { directory: `${root}/db/migration` })
})
after(() => unseeded.drop())

/** Files run beside each other: whichever of two that do not wait for each other comes first, the rows are the same. */
for (const [kind, makeDatabase] of [
  ['system', () => cloneOf(unseeded)],
  ['demo', hospitalDatabase],
] as const) {
  test(`seeds: ${kind} files make the same rows in every order that they allow`, async (t) => {
    const files = seedFiles(modules, kind)
    const orders = ordersThatTurnEveryPair(files)
    assert.ok(orders.length > 1)
    t.diagnostic(`${orders.length} orders of ${files.length} files`)

    const rowsOf = (order: readonly SeedFile[]) => rowsAfter(order, kind, makeDatabase)
    let usual = await rowsOf(files)
    for (const order of orders) {
      let rows = await rowsOf(order)
      if (!isDeepStrictEqual(rows, usual)) {
        // Some rows depend on the time of day, which has gone on.
        usual = await rowsOf(files)
        rows = await rowsOf(order)
      }
      assert.deepEqual(rows, usual)
    }
  })
}

/**
 * Orders that keep to what files wait for, and in which of every two that do not wait for each other the later one of
 * `files` comes first once.
 */
function ordersThatTurnEveryPair(files: readonly SeedFile[]): SeedFile[][] {
  const waitsFor = new Map<string, Set<string>>()
  for (const { version, after } of files)
    waitsFor.set(version, new Set(after.flatMap((name) => [name, ...(waitsFor.get(name) ?? [])])))
  const unturned = new Set(
    pairsOf(files)
      .filter(([a, b]) => !waitsFor.get(b.version)?.has(a.version))
      .map(pairName),
  )

  const candidates = files.map((early) => {
    const first = files.filter((file) => file === early || waitsFor.get(early.version)?.has(file.version))
    const order = [
      ...first,
      ...latestFirst(
        files.filter((file) => !first.includes(file)),
        waitsFor,
      ),
    ]
    return { order, turned: pairsOf(order).map(([a, b]) => pairName([b, a])) }
  })
  const orders: SeedFile[][] = []
  while (unturned.size > 0) {
    const gain = ({ turned }: { turned: string[] }) => turned.filter((pair) => unturned.has(pair)).length
    const best = candidates.reduce((a, b) => (gain(b) > gain(a) ? b : a))
    for (const pair of best.turned) unturned.delete(pair)
    orders.push(best.order)
  }
  return orders
}

/** Every two files, the earlier one first. */
function pairsOf(files: readonly SeedFile[]): [SeedFile, SeedFile][] {
  return files.flatMap((later, n) => files.slice(0, n).map((earlier): [SeedFile, SeedFile] => [earlier, later]))
}

function pairName([earlier, later]: readonly [SeedFile, SeedFile]): string {
  return `${earlier.version} ${later.version}`
}

/** As much as possible the other way round. */
function latestFirst(files: readonly SeedFile[], waitsFor: ReadonlyMap<string, ReadonlySet<string>>): SeedFile[] {
  const left = [...files]
  const order: SeedFile[] = []
  while (left.length > 0) {
    const at = left.findLastIndex(({ version }) => !left.some((other) => waitsFor.get(version)?.has(other.version)))
    order.push(...left.splice(at, 1))
  }
  return order
}

/** How many rows each table has once the files have run one by one. */
async function rowsAfter(
  files: readonly SeedFile[],
  kind: SeedKind,
  makeDatabase: () => Promise<TestDatabase>,
): Promise<Record<string, number>> {
  await using database = await makeDatabase()
  const superuser = connect(database.url)
  const connection = await superuser.dedicated()
  try {
    if (kind === 'demo') await connection.query(`select core.set_environment('dev')`)
    for (const { file, text } of files) await runFile(connection, file, text)
    return await countRows(connection)
  } finally {
    await connection.release()
    await superuser.close()
  }
}

async function runFile(connection: Connection, file: string, text: string): Promise<void> {
  try {
    await connection.script(`begin;${text}\n;commit;reset all`)
  } catch (cause) {
    throw new Error(`${file} failed: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
}
