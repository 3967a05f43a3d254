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
  const failing: TableName[] = []
  for (const [schema = '', name = '', definition = '', collation = ''] of views) {
    const view = { schema, name }
    const isRead = renamed.some(({ from }) => definition.includes(quoteTable(from)))
    const repoint = () => repointView(session, view, collation, renamed)
    // the server hides definitions from who may not see them
    if (isRead ? !(await succeeds(repoint)) : definition === '' && (await isInvalid(session, view))) failing.push(view)
  }
  if (failing.length > 0) throw new ViewsFailError(failing.map(tableId))
}

async function succeeds(work: () => Promise<void>): Promise<boolean> {
  return work().then(
    () => true,
    () => false,
  )
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
