import { tableId, type MovedTable, type TableName } from '../../model.ts'
import { postgresReader, type SampleReader } from '../../sample/sample-reader.ts'
import { asideNames } from '../../aside-name.ts'
import { fail, notApplicable, pass, type GuideTest } from '../guide-test.ts'
import type { ServiceFacts } from '../service-facts.ts'

const reads = 60
const listRows = 50
/** The target of a split: less than 10 % slower. */
const allowedRatio = 1.1
/** Below this a ratio tells of the clock, not of the database. */
const clearMs = 0.5

export const performanceRatio: GuideTest = {
  name: 'performance',
  asks: "is a read by key, and of a list of 50 rows, as fast in the service's database as in the shared one?",
  async run(facts) {
    if (!facts.isCopied) return notApplicable('its rows are still being copied')
    const pair = await largestTable(facts)
    if (!pair) return notApplicable('no table with rows is on both sides any more')
    const { table, shared } = pair
    const here = postgresReader(facts.own)
    const [key] = await here.keys(table.target, table.key, 1)
    if (!key) return notApplicable('its largest table is empty')
    const sides = [
      [here, table.target],
      [facts.split.source.reader, shared],
    ] as const
    const point = await compare(sides, (reader, name) => reader.point(name, table.key, key))
    const list = await compare(sides, (reader, name) => reader.list(name, table.key, listRows))
    const reason = `${table.target.name}: by key ${timesText(point)}, list ${timesText(list)}`
    return isSlower(point) || isSlower(list) ? fail(`${reason}: compare indexes and statistics of both`) : pass(reason)
  },
}

interface Times {
  readonly own: number
  readonly shared: number
}

type Sides = readonly [readonly [SampleReader, TableName], readonly [SampleReader, TableName]]

/** Alternates, so that whatever else the machine does hits both. */
async function compare(
  [own, shared]: Sides,
  read: (reader: SampleReader, table: TableName) => Promise<unknown>,
): Promise<Times> {
  const times: { readonly own: number[]; readonly shared: number[] } = { own: [], shared: [] }
  for (let at = 0; at < reads; at++) {
    times.own.push(await timed(() => read(...own)))
    times.shared.push(await timed(() => read(...shared)))
  }
  return { own: fast(times.own), shared: fast(times.shared) }
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now()
  await work()
  return performance.now() - started
}

/** Of the fastest tenth: what the database takes when the machine has nothing else to do. */
function fast(times: readonly number[]): number {
  return times.toSorted((a, b) => a - b)[Math.floor(times.length / 10)] ?? 0
}

function isSlower({ own, shared }: Times): boolean {
  return own / shared > allowedRatio && own - shared > clearMs
}

function timesText({ own, shared }: Times): string {
  return `${own.toFixed(2)} ms against ${shared.toFixed(2)} ms (${(own / shared).toFixed(2)})`
}

/** With the name that it has in the shared database now. */
async function largestTable({
  split,
  service,
}: ServiceFacts): Promise<{ readonly table: MovedTable; readonly shared: TableName } | undefined> {
  const present = new Map((await split.source.side.catalog()).tables.map((table) => [tableId(table), table]))
  return service.tables
    .flatMap((table) => {
      const shared = [table.source, ...asideNames(table.source)].map((name) => present.get(tableId(name))).find(Boolean)
      return shared ? [{ table, shared, bytes: shared.bytes }] : []
    })
    .toSorted((a, b) => b.bytes - a.bytes)
    .at(0)
}
