import type { OwnedForeignKey } from '../../side.ts'
import type { TableName } from '../../model.ts'
import { existingTables } from '../catalog.ts'
import type { Session } from '../session.ts'
import { ownStatement, quoteTable, quoteText } from '../sql-text.ts'
import type { TriggerDefinition } from './trigger-definition.ts'

/** Everything that it takes to go on after a crash, and to go back. */
export interface RenameRecord {
  readonly from: string
  readonly tables: readonly string[]
  readonly foreignKeys: readonly OwnedForeignKey[]
  readonly triggers: readonly TriggerDefinition[]
  readonly views: readonly string[]
  /** False when the database was there before. */
  readonly madeDatabase: boolean
  /** `'name'@'host'`; null when there is none, or it was there before. */
  readonly madeUser: string | null
}

const recordTable = (database: string): TableName => ({ schema: database, name: 'imhotep_split_renames' })

export async function readRecord(session: Session, database: string): Promise<RenameRecord | null> {
  if ((await existingTables(session, [recordTable(database)])).length === 0) return null
  const text = await session.value(`select record from ${quoteTable(recordTable(database))} where id = 1`)
  return text === null ? null : (JSON.parse(text) as RenameRecord)
}

/** In one row: it is there or it is not. */
export async function writeRecord(session: Session, database: string, record: RenameRecord): Promise<void> {
  await session.run(
    `${ownStatement} create table if not exists ${quoteTable(recordTable(database))} (
       id tinyint not null primary key,
       record longtext character set utf8mb4 not null
     ) engine = InnoDB comment 'how tables came here by renaming, to take them back (imhotep split)'`,
  )
  await session.run(
    `replace into ${quoteTable(recordTable(database))} (id, record) values (1, ${quoteText(JSON.stringify(record))})`,
  )
}

export async function dropRecord(session: Session, database: string): Promise<void> {
  await session.run(`${ownStatement} drop table if exists ${quoteTable(recordTable(database))}`)
}
