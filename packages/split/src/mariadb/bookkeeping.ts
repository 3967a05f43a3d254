import { existingTables } from './catalog.ts'
import type { Session } from './session.ts'

/** Whoever changes it writes for a move: the reader of the binlog passes such transactions over. */
export const appliedTable = 'imhotep_split_applied'
export const logTable = 'imhotep_split_logs'
export const triggerTable = 'imhotep_split_triggers'

const tables = [
  `create table if not exists ${appliedTable} (
     log varchar(190) character set utf8mb4 collate utf8mb4_bin primary key,
     position varchar(190) not null,
     applied_at timestamp(6) not null default current_timestamp(6) on update current_timestamp(6)
   ) engine = InnoDB comment 'up to where the log of another database is applied here (imhotep split)'`,
  `create table if not exists ${logTable} (
     log varchar(190) character set utf8mb4 collate utf8mb4_bin primary key,
     position varchar(190) not null
   ) engine = InnoDB comment 'from where on the binlog is needed (imhotep split)'`,
  `create table if not exists ${triggerTable} (
     table_name varchar(64) character set utf8mb4 collate utf8mb4_bin not null,
     trigger_name varchar(64) character set utf8mb4 collate utf8mb4_bin not null,
     place int not null,
     sql_mode text not null,
     charset varchar(64) not null,
     collation varchar(64) not null,
     definition longtext character set utf8mb4 not null,
     primary key (table_name, trigger_name)
   ) engine = InnoDB default charset = utf8mb4 comment 'triggers of tables behind a fence, to be put back (imhotep split)'`,
]

const prepared = new WeakSet<Session>()

/** What a database remembers about a move; a session makes it once. */
export async function prepareBookkeeping(session: Session, database: string): Promise<void> {
  if (prepared.has(session)) return
  const names = [appliedTable, logTable, triggerTable].map((name) => ({ schema: database, name }))
  const found = await existingTables(session, names)
  if (found.length < tables.length) for (const sql of tables) await session.run(sql)
  prepared.add(session)
}
