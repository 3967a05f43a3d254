import type { Connection } from '@imhotep/postgres'
import type { ParsedStatement } from '../parse/parse-sql.ts'
import type { MigrationSession } from './migration-session.ts'
import { quoteName } from './sql-literal.ts'
import { isConcurrentReindex } from './transaction-mode.ts'

/**
 * True when a statement that cannot be in a transaction had its effect before the run was interrupted; a partition that
 * is half detached is detached first. VACUUM, REINDEX and ALTER SYSTEM are never "done": they do no harm a second time.
 */
export async function finishInterrupted(connection: Connection, { node }: ParsedStatement): Promise<boolean> {
  if ('IndexStmt' in node) {
    const { idxname, relation } = node.IndexStmt
    return (await indexState(connection, relationName(relation), idxname ?? '')) === 'valid'
  }
  if ('DropStmt' in node) {
    const names = (node.DropStmt.objects ?? []).map(namesIn)
    return isTrue(connection, 'select bool_and(to_regclass(name) is null) as yes from unnest($1::text[]) name', [
      names.map((parts) => parts.map(quoteName).join('.')),
    ])
  }
  if ('CreatedbStmt' in node) return databaseExists(connection, node.CreatedbStmt.dbname)
  if ('DropdbStmt' in node) return !(await databaseExists(connection, node.DropdbStmt.dbname))
  const detached = detachedPartition(node)
  if (detached) return finishDetaching(connection, detached)
  return false
}

/** Drops the invalid indexes that an interrupted CREATE INDEX or REINDEX CONCURRENTLY leaves. */
export async function dropInvalidIndexes(session: MigrationSession, { node }: ParsedStatement): Promise<void> {
  for (const index of await invalidIndexes(session.connection, node)) {
    session.progress(`dropping the invalid index ${index} that an interrupted run left`)
    await session.connection.script(`drop index concurrently if exists ${index}`)
  }
}

type Node = ParsedStatement['node']
type RangeVar = { schemaname?: string; relname?: string }

async function invalidIndexes(connection: Connection, node: Node): Promise<string[]> {
  if ('IndexStmt' in node && node.IndexStmt.concurrent) {
    const { idxname, relation } = node.IndexStmt
    const table = relationName(relation)
    if ((await indexState(connection, table, idxname ?? '')) !== 'invalid') return []
    const rows = await connection.query<{ name: string }>(
      `select i.indexrelid::regclass::text as name ${INDEXES} and c.relname = $2`,
      [table, idxname],
    )
    return rows.map(({ name }) => name)
  }
  if ('ReindexStmt' in node && node.ReindexStmt.relation && isConcurrentReindex(node.ReindexStmt.params)) {
    const rows = await connection.query<{ name: string }>(
      `select i.indexrelid::regclass::text as name from pg_catalog.pg_index i join pg_catalog.pg_class c on c.oid = i.indexrelid
       where not i.indisvalid and c.relname ~ '_cc(new|old)[0-9]*$' and i.indrelid in
         (select to_regclass($1) union select indrelid from pg_catalog.pg_index where indexrelid = to_regclass($1))`,
      [relationName(node.ReindexStmt.relation)],
    )
    return rows.map(({ name }) => name)
  }
  return []
}

const INDEXES = `from pg_catalog.pg_index i join pg_catalog.pg_class c on c.oid = i.indexrelid where i.indrelid = to_regclass($1)`

async function indexState(connection: Connection, table: string, index: string): Promise<'valid' | 'invalid' | 'none'> {
  const rows = await connection.query<{ valid: boolean }>(
    `select i.indisvalid as valid ${INDEXES} and c.relname = $2`,
    [table, index],
  )
  return rows[0] === undefined ? 'none' : rows[0].valid ? 'valid' : 'invalid'
}

interface Detached {
  readonly parent: string
  readonly partition: string
}

function detachedPartition(node: Node): Detached | null {
  if (!('AlterTableStmt' in node)) return null
  for (const command of node.AlterTableStmt.cmds ?? []) {
    const definition = 'AlterTableCmd' in command ? command.AlterTableCmd.def : undefined
    if (!definition || !('PartitionCmd' in definition) || !definition.PartitionCmd.concurrent) continue
    return { parent: relationName(node.AlterTableStmt.relation), partition: relationName(definition.PartitionCmd.name) }
  }
  return null
}

async function finishDetaching(connection: Connection, { parent, partition }: Detached): Promise<boolean> {
  const rows = await connection.query<{ pending: boolean }>(
    'select inhdetachpending as pending from pg_catalog.pg_inherits where inhrelid = to_regclass($1)',
    [partition],
  )
  if (rows[0]?.pending === false) return false
  if (rows[0]?.pending) await connection.script(`alter table ${parent} detach partition ${partition} finalize`)
  return true
}

function databaseExists(connection: Connection, name: string | undefined): Promise<boolean> {
  return isTrue(connection, 'select exists (select from pg_catalog.pg_database where datname = $1) as yes', [
    name ?? '',
  ])
}

async function isTrue(connection: Connection, sql: string, params: unknown[]): Promise<boolean> {
  const rows = await connection.query<{ yes: boolean }>(sql, params)
  return rows[0]?.yes === true
}

function relationName(relation: RangeVar | undefined): string {
  const parts = [relation?.schemaname, relation?.relname].filter((part) => part !== undefined)
  return parts.map(quoteName).join('.')
}

/** `schema.name` of a dropped object, as its parts. */
function namesIn(object: Node): string[] {
  const items = 'List' in object ? (object.List.items ?? []) : []
  return items.flatMap((item) => ('String' in item ? (item.String.sval ?? []) : []))
}
