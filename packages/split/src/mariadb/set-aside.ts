import { asideName } from '../aside-name.ts'
import type { MovedTable } from '../model.ts'
import { existingTables } from './catalog.ts'
import type { Session } from './session.ts'
import { ownStatement, quoteName, quoteTable, quoteText } from './sql-text.ts'
import { retryBusy } from './table-locks.ts'
import { dropGuards } from './truncate-guard.ts'
import { repointViews } from './views.ts'

const maxLength = 64

/** All at once: nobody sees half of a service. Views go on showing what the tables hold. */
export async function setTablesAside(session: Session, moved: readonly MovedTable[]): Promise<void> {
  const sources = moved.map(({ source }) => source)
  const tables = await existingTables(session, sources)
  if (tables.length > 0) {
    await dropGuards(session, tables)
    const renames = tables.map((table) => `${quoteTable(table)} to ${quoteTable(asideName(table, maxLength))}`)
    await retryBusy(session, tables, `${ownStatement} rename table ${renames.join(', ')}`)
  }
  await repointViews(
    session,
    sources.map((from) => ({ from, to: asideName(from, maxLength) })),
  )
}

export async function dropTablesSetAside(session: Session, moved: readonly MovedTable[]): Promise<void> {
  const tables = await existingTables(
    session,
    moved.map(({ source }) => asideName(source, maxLength)),
  )
  if (tables.length === 0) return
  await session.run('set session foreign_key_checks = 0')
  try {
    await retryBusy(session, tables, `${ownStatement} drop table if exists ${tables.map(quoteTable).join(', ')}`)
  } finally {
    await session.run('set session foreign_key_checks = 1')
  }
}

/** AUTO_INCREMENT behind the greatest value in use. It never goes back. */
export async function advanceAutoIncrement(session: Session, moved: readonly MovedTable[], gap: number): Promise<void> {
  for (const { source } of moved) {
    const column = await session.value(
      `select column_name from information_schema.columns where table_schema = ${quoteText(source.schema)}
          and table_name = ${quoteText(source.name)} and extra like '%auto_increment%'`,
    )
    if (column === null) continue
    const next = await session.value(
      `select ifnull(max(${quoteName(column)}), 0) + ${gap + 1} from ${quoteTable(source)}`,
    )
    await retryBusy(session, [source], `${ownStatement} alter table ${quoteTable(source)} auto_increment = ${next}`)
  }
}
