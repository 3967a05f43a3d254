import { tableId, type TableName } from '../model.ts'
import { ViewsFailError } from './errors.ts'
import { errorNumber, type Session } from './session.ts'
import { ownStatement, quoteName, quoteTable, quoteText } from './sql-text.ts'
import { retryBusy } from './table-locks.ts'

/** "View references invalid table(s)". */
const viewInvalid = 1356

export interface RenamedTable {
  readonly from: TableName
  readonly to: TableName
}

/**
 * Makes views read tables by their new names: they know them by name alone, and fail when one is renamed. Twice is once.
 * @throws ViewsFailError
 */
export async function repointViews(session: Session, renamed: readonly RenamedTable[]): Promise<void> {
  const views = (await session.rows(
    `select table_schema, table_name, view_definition, collation_connection from information_schema.views
      order by table_schema, table_name`,
  )) as string[][]
  const readers: { readonly view: TableName; readonly collation: string }[] = []
  const failing: TableName[] = []
  for (const [schema = '', name = '', definition = '', collation = ''] of views) {
    const view = { schema, name }
    if (renamed.some(({ from }) => definition.includes(quoteTable(from)))) readers.push({ view, collation })
    // the server hides definitions from who may not see them
    else if (definition === '' && (await isInvalid(session, view))) failing.push(view)
  }
  // One that reads another view as well can be made only behind it.
  for (let left = readers, before = Infinity; left.length > 0;) {
    if (left.length === before) {
      failing.push(...left.map(({ view }) => view))
      break
    }
    before = left.length
    left = await leftOf(left, ({ view, collation }) => repointView(session, view, collation, renamed))
  }
  if (failing.length > 0) throw new ViewsFailError(failing.map(tableId))
}

/** Those for which the work fails. */
async function leftOf<T>(all: readonly T[], work: (one: T) => Promise<void>): Promise<T[]> {
  const left: T[] = []
  for (const one of all) await work(one).catch(() => left.push(one))
  return left
}

async function isInvalid(session: Session, view: TableName): Promise<boolean> {
  return session.run(`select 1 from ${quoteTable(view)} limit 0`).then(
    () => false,
    (error: unknown) => errorNumber(error) === viewInvalid,
  )
}

async function repointView(
  session: Session,
  view: TableName,
  collation: string,
  renamed: readonly RenamedTable[],
): Promise<void> {
  let sql = await definitionOf(session, view)
  for (const { from, to } of renamed) sql = sql.replaceAll(quoteTable(from), quoteTable(to))
  await session.run(`set session collation_connection = ${quoteText(collation)}`)
  try {
    await retryBusy(session, [view], `${ownStatement} ${sql.replace(/^create/i, 'create or replace')}`)
  } finally {
    await session.run('set names utf8mb4')
  }
}

/** The server leaves the name of the database out where it is the session's. */
async function definitionOf(session: Session, view: TableName): Promise<string> {
  const home = (await session.value('select database()')) ?? view.schema
  await session.run('use information_schema')
  try {
    const [row] = await session.rows(`show create view ${quoteTable(view)}`)
    return row?.[1] ?? ''
  } finally {
    await session.run(`use ${quoteName(home)}`)
  }
}
