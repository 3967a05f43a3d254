import { createRequire } from 'node:module'
import type { Connection, Transaction } from '@imhotep/postgres'
import { HistoryTableError } from './errors.ts'
import { sha256 } from './migration-file.ts'
import { bytesLiteral, quoteName, textLiteral } from './sql-literal.ts'

export const DEFAULT_HISTORY_TABLE = 'core.schema_migrations'

/** Where a database keeps its history: a name that was checked, ready to be put into SQL. */
export interface HistoryTable {
  readonly schema: string
  readonly name: string
  /** Quoted: `"core"."schema_migrations"`. */
  readonly sql: string
  /** As written by the user. */
  readonly text: string
}

export interface HistoryRow {
  readonly version: string
  readonly name: string
  readonly kind: 'baseline' | 'versioned' | 'repeatable' | 'seed'
  readonly file: string
  readonly checksum: Buffer
  readonly chain: Buffer
  readonly success: boolean
  readonly statementsDone: number
}

/** A row to write; what is left out is filled in by the database. */
export interface NewHistoryRow extends Omit<HistoryRow, 'success' | 'statementsDone'> {
  readonly normalized: Buffer
  readonly body: string
}

const NAME = /^[a-z_][a-z0-9_$]*$/i

/** @throws HistoryTableError for a name that is not `table` or `schema.table` */
export function historyTable(text: string = DEFAULT_HISTORY_TABLE): HistoryTable {
  const parts = text.split('.')
  const [schema, name] = parts.length === 1 ? ['public', text] : [parts[0] ?? '', parts[1] ?? '']
  if (parts.length > 2 || !NAME.test(schema) || !NAME.test(name)) {
    throw new HistoryTableError(text, 'not a name', `write it as schema.table, for example ${DEFAULT_HISTORY_TABLE}`)
  }
  return { schema, name, sql: `${quoteName(schema)}.${quoteName(name)}`, text }
}

/** The definition of the history table; the one place where it is written. */
export function historyTableDdl(table: HistoryTable): string {
  return `create schema if not exists ${quoteName(table.schema)};
create table if not exists ${table.sql} (
  version text not null,
  name text not null,
  kind text not null,
  file text not null,
  -- sha256 of the file's exact bytes, of its parse trees, and of the previous row's chain with this checksum
  checksum bytea not null,
  normalized bytea,
  chain bytea not null,
  body text not null,
  applied_by text not null default current_user,
  applied_at timestamptz not null default now(),
  duration_ms int not null,
  success boolean not null,
  -- where a file that runs without a transaction goes on after it was interrupted
  statements_done int not null default 0,
  tool_version text not null,
  constraint ${quoteName(`${table.name}_pkey`)} primary key (version),
  constraint ${quoteName(`${table.name}_kind_check`)} check (kind in ('baseline', 'versioned', 'repeatable', 'seed'))
);`
}

/** Creates the history table with its schema where it is missing. Call it with the migration lock held. */
export async function createHistoryTable(connection: Connection, table: HistoryTable): Promise<void> {
  if (!(await historyTableExists(connection, table))) await connection.script(historyTableDdl(table))
}

export async function historyTableExists(connection: Transaction, table: HistoryTable): Promise<boolean> {
  const rows = await connection.query<{ found: boolean }>('select to_regclass($1::text) is not null as found', [
    table.sql,
  ])
  return rows[0]?.found === true
}

const COLUMNS = ['version', 'name', 'kind', 'file', 'checksum', 'chain', 'success', 'statements_done']

/**
 * The rows of the history in the order in which they were applied, without their bodies; none when there is no table.
 * @throws HistoryTableError when a table of another tool has the name
 */
export async function readHistoryRows(connection: Transaction, table: HistoryTable): Promise<HistoryRow[]> {
  const known = await connection.query<{ name: string }>(
    'select attname::text as name from pg_catalog.pg_attribute where attrelid = to_regclass($1::text) and attnum > 0 and not attisdropped',
    [table.sql],
  )
  if (known.length === 0) return []
  const missing = COLUMNS.filter((column) => !known.some(({ name }) => name === column))
  if (missing.length > 0) {
    throw new HistoryTableError(
      table.text,
      `has no column '${missing[0]}', so it belongs to something else`,
      'choose another name for the history table in the configuration',
    )
  }
  return connection.query<HistoryRow>(
    `select version, name, kind, file, checksum, chain, success, statements_done as "statementsDone"
     from ${table.sql} order by applied_at, version`,
  )
}

/** The text that was applied as a version. */
export async function readBody(connection: Transaction, table: HistoryTable, version: string): Promise<string> {
  const rows = await connection.query<{ body: string }>(`select body from ${table.sql} where version = $1`, [version])
  return rows[0]?.body ?? ''
}

/** The hash of what a version meant when it was applied: of the file's SQL, of a Knex file's plan. */
export async function readNormalized(
  connection: Transaction,
  table: HistoryTable,
  version: string,
): Promise<Buffer | null> {
  const rows = await connection.query<{ normalized: Buffer | null }>(
    `select normalized from ${table.sql} where version = $1`,
    [version],
  )
  return rows[0]?.normalized ?? null
}

/** How a row is written: `replace` for files that run again (repeatable files and seeds). */
export interface InsertOptions {
  readonly success?: boolean
  readonly replace?: boolean
}

/**
 * The INSERT of a row as text, to be sent in one message with the file itself. The duration runs from the start of the
 * message's transaction; the time is the clock's, so that rows of one transaction keep their order.
 */
export function insertHistoryRow(table: HistoryTable, row: NewHistoryRow, options: InsertOptions = {}): string {
  const values = {
    version: textLiteral(row.version),
    name: textLiteral(row.name),
    kind: textLiteral(row.kind),
    file: textLiteral(row.file),
    checksum: bytesLiteral(row.checksum),
    normalized: bytesLiteral(row.normalized),
    chain: bytesLiteral(row.chain),
    body: textLiteral(row.body),
    applied_at: 'pg_catalog.clock_timestamp()',
    duration_ms: 'extract(epoch from pg_catalog.clock_timestamp() - pg_catalog.transaction_timestamp()) * 1000',
    success: String(options.success ?? true),
    tool_version: textLiteral(TOOL_VERSION),
  }
  const columns = Object.keys(values)
  const replace = columns.filter((column) => column !== 'version').map((column) => `${column} = excluded.${column}`)
  const conflict = options.replace
    ? `\non conflict (version) do update set ${replace.join(', ')}, applied_by = excluded.applied_by`
    : ''
  return `insert into ${table.sql} (${columns.join(', ')})\nvalues (${Object.values(values).join(', ')})${conflict};`
}

/** Links a file to the one applied before it, so that a row that was changed, removed or added by hand shows. */
export function nextChain(previous: Buffer | null, checksum: Buffer): Buffer {
  return sha256(Buffer.concat([previous ?? Buffer.alloc(0), checksum]))
}

/** Links rows anew after one of them was mended or taken out: each hangs on the one before it. */
export async function relink(connection: Transaction, table: HistoryTable, rows: readonly HistoryRow[]): Promise<void> {
  let previous: Buffer | null = null
  for (const row of rows.filter(isLinked)) {
    const chain = nextChain(previous, row.checksum)
    if (!chain.equals(row.chain)) {
      await connection.query(`update ${table.sql} set chain = $2 where version = $1`, [row.version, chain])
    }
    previous = chain
  }
}

/** The chain's last link: repeatable files and seeds hang on it but do not carry it on, because they are replaced. */
export function chainHead(rows: readonly HistoryRow[]): Buffer | null {
  return rows.findLast(isLinked)?.chain ?? null
}

/** The version of the first row that does not fit to the one before it, null when the chain is whole. */
export function brokenLink(rows: readonly HistoryRow[]): string | null {
  let previous: Buffer | null = null
  for (const row of rows.filter(isLinked)) {
    if (!nextChain(previous, row.checksum).equals(row.chain)) return row.version
    previous = row.chain
  }
  return null
}

/** True for the rows that are linked to each other. */
export function isLinked({ kind }: HistoryRow): boolean {
  return kind === 'versioned' || kind === 'baseline'
}

const { version: TOOL_VERSION }: { version: string } = createRequire(import.meta.url)('@imhotep/engine/package.json')
