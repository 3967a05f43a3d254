import type { Session } from '../session.ts'
import { ownStatement, quoteTable, quoteText } from '../sql-text.ts'
import { retryBusy } from '../table-locks.ts'
import { TableInTheWayError } from './errors.ts'
import { createTriggerOn, dropTrigger, readTriggerDefinitions, type TriggerDefinition } from './trigger-definition.ts'

export interface Transfer {
  /** Their order is that of their names on the way: it must stay the same. */
  readonly tables: readonly string[]
  readonly triggers: readonly TriggerDefinition[]
  readonly from: string
  readonly to: string
}

/** Told behind each step; whoever throws in it stops the work there. */
export type Step = (done: string) => Promise<void> | void

/**
 * Renames tables to another database, from wherever an earlier call left them. A table with triggers cannot go to another
 * database: under a name that nobody else knows it loses them, goes over, gets them again, and only then has its own name
 * back. So no client ever finds a table without its triggers. Returns the tables that were not there yet.
 * @throws TableInTheWayError
 */
export async function transferTables(session: Session, transfer: Transfer, step: Step): Promise<string[]> {
  const { tables, from, to } = transfer
  await checkRoom(session, transfer)
  const there = await namesIn(session, to)
  const here = await namesIn(session, from)
  const left = tables.filter((name) => !there.has(name))
  if (left.length === 0) return left

  const isUnderWay = tables.some((_, at) => hasWayName(at, here, there))
  if (transfer.triggers.length === 0 && !isUnderWay) {
    await rename(
      session,
      left.map((name) => [
        { schema: from, name },
        { schema: to, name },
      ]),
    )
    await step('tables renamed')
    return left
  }
  await throughWayNames(session, transfer, step)
  return left
}

/** @throws TableInTheWayError when a table would meet another of its name */
export async function checkRoom(session: Session, { tables, from, to }: Omit<Transfer, 'triggers'>): Promise<void> {
  const there = await namesIn(session, to)
  const here = await namesIn(session, from)
  const inTheWay = tables.filter((name, at) => there.has(name) && (here.has(name) || hasWayName(at, here, there)))
  if (inTheWay.length > 0) throw new TableInTheWayError(to, inTheWay)
}

function hasWayName(at: number, ...databases: readonly ReadonlySet<string>[]): boolean {
  return databases.some((names) => names.has(wayName(at)))
}

const wayName = (at: number) => `imhotep_split_moving_${at}`

async function throughWayNames(session: Session, { tables, triggers, from, to }: Transfer, step: Step): Promise<void> {
  const within = async (schema: string, nameOf: (at: number) => string, target: (at: number) => Named) => {
    const names = await namesIn(session, schema)
    const pairs = tables.flatMap((_, at): [Named, Named][] =>
      names.has(nameOf(at)) ? [[{ schema, name: nameOf(at) }, target(at)]] : [],
    )
    await rename(session, pairs)
  }
  await within(
    from,
    (at) => tables[at] ?? '',
    (at) => ({ schema: from, name: wayName(at) }),
  )
  await step('tables taken out of sight')

  const onTheWay = tables.map((_, at) => wayName(at))
  const dropIn = async (database: string) => {
    for (const { name } of await readTriggerDefinitions(session, database, onTheWay)) {
      await dropTrigger(session, database, name)
      await step(`trigger ${name} dropped`)
    }
  }
  await dropIn(from)
  await within(from, wayName, (at) => ({ schema: to, name: wayName(at) }))
  await step('tables renamed')

  // some are there already after a crash: they would fire in another order
  await dropIn(to)
  for (const trigger of triggers) {
    await createTriggerOn(session, to, wayName(tables.indexOf(trigger.table)), trigger)
    await step(`trigger ${trigger.name} made`)
  }
  await within(to, wayName, (at) => ({ schema: to, name: tables[at] ?? '' }))
  await step('tables have their names')
}

interface Named {
  readonly schema: string
  readonly name: string
}

/** All in one statement: nobody sees some of them moved. */
async function rename(session: Session, pairs: readonly (readonly [Named, Named])[]): Promise<void> {
  if (pairs.length === 0) return
  const list = pairs.map(([from, to]) => `${quoteTable(from)} to ${quoteTable(to)}`).join(', ')
  await retryBusy(
    session,
    pairs.map(([from]) => from),
    `${ownStatement} rename table ${list}`,
  )
}

async function namesIn(session: Session, database: string): Promise<ReadonlySet<string>> {
  const rows = await session.rows(
    `select table_name from information_schema.tables where table_schema = ${quoteText(database)}`,
  )
  return new Set(rows.map(([name]) => name ?? ''))
}
