import type { ObstacleCode } from './obstacle-codes.ts'
import type { Key, LogTransaction, MovedTable, Position, SharedForeignKey, SharedTable, TableName } from './model.ts'

/**
 * A database that rows leave or reach. The protocol is written against this interface alone, so that forward (shared
 * database to the service's) and reverse (back again) are the same code, and every server is a source of the same kind.
 */
export interface Side {
  readonly kind: 'mariadb' | 'postgres'
  /** `host:port/database`, without user and password. */
  readonly label: string

  catalog(): Promise<SharedCatalog>
  /** What would keep these tables from being moved away: no log, wrong format, missing rights, no key. Empty when all is well. */
  obstacles(tables: readonly MovedTable[]): Promise<Obstacle[]>
  clock(): Promise<Date>
  /** By name of the shared table: what the log does not tell of. Empty where the log tells of everything. */
  storage(tables: readonly MovedTable[]): Promise<Readonly<Record<string, TableStorage>>>

  comparePositions(a: Position, b: Position): number
  /** The end of the log: what was committed before the call lies before it, and `readLog` comes to it even when nobody writes. */
  position(): Promise<Position>
  /**
   * Makes the server keep its changes to the tables from now on under this name (a slot and publication; nothing on
   * MariaDB), unless it does already, and returns the position from which `readLog` can begin.
   */
  openLog(log: string, tables: readonly MovedTable[]): Promise<Position>
  /** Every transaction committed behind `from` that touches the tables, in commit order; those that `apply` wrote are left out. */
  readLog(log: string, from: Position, tables: readonly MovedTable[], signal: AbortSignal): LogReader
  /** Drops what `openLog` made. Nothing to drop is no error. */
  closeLog(log: string): Promise<void>

  /**
   * One consistent view of the tables. Exact: it holds what was committed up to `position` and nothing behind it, even
   * while others write; else it may hold more.
   */
  snapshot(tables: readonly MovedTable[], options: { readonly exact: boolean }): Promise<Snapshot>

  /** Up to where the log of the other side is applied here; null before the first time. */
  applied(log: string): Promise<Position | null>
  /**
   * Applies transactions of the other side's log and remembers the position, all in one transaction. Inserts and updates
   * replace the row of the same key, so that a log read twice does no harm. No trigger of the application fires. Waits for
   * whoever holds the tables until `signal` says that it is not worth it any more.
   */
  apply(log: string, transactions: readonly LogTransaction[], signal?: AbortSignal): Promise<void>

  /**
   * From the moment it returns no client can change the tables (IMH01 on PostgreSQL, 45000 with the text IMH01 on MariaDB),
   * `apply` still can. Returns a position that every earlier change lies before. Fencing twice is fencing once. When not all
   * tables can be had in time, none is fenced.
   */
  fence(name: string, tables: readonly MovedTable[], patience?: Patience): Promise<Position>
  /** Takes the fence away, whatever part of it there is. */
  unfence(name: string, tables: readonly MovedTable[]): Promise<void>

  /** Before clients are stopped: lets `advanceSequences` find the greatest value without a look at each row of a large table. */
  prepareSequences(tables: readonly MovedTable[]): Promise<void>
  /** Drops what `prepareSequences` made, when clients are served again. Waits a moment for tables in use, then rejects. */
  unprepareSequences(tables: readonly MovedTable[]): Promise<void>
  /** Sets sequences and identities behind the greatest value in use, with room for what the other side may still write. */
  advanceSequences(tables: readonly MovedTable[], gap: number): Promise<void>
  /** Renames tables that live elsewhere now to `zz_moved_<name>`; those that are renamed already are skipped. */
  setAside(tables: readonly MovedTable[]): Promise<void>
  /** Drops what `setAside` renamed. */
  dropSetAside(tables: readonly MovedTable[]): Promise<void>

  /** How many rows point to nothing, of the foreign keys that have such rows. */
  orphansOf(keys: readonly OwnedForeignKey[]): Promise<Orphans[]>

  /** Drops foreign keys that would cross the border of a service; those that are gone already are skipped. */
  dropForeignKeys(keys: readonly OwnedForeignKey[]): Promise<void>
  /** Puts them back; those that exist are skipped. */
  restoreForeignKeys(keys: readonly OwnedForeignKey[]): Promise<void>

  close(): Promise<void>
}

/** How long to wait for tables that clients hold. */
export interface Patience {
  /** For all of them together. Default 30. */
  readonly seconds?: number
  readonly signal?: AbortSignal
  /** Told before each attempt that makes clients stand still: of one that fails they go on, so that the last one counts. */
  readonly onAttempt?: () => void
}

export interface TableStorage {
  /** Another one when another table has taken the name. */
  readonly identity: string
  /** Others when rows may have come or gone by themselves: a partition was emptied, attached or detached, the table written anew. */
  readonly files: string
  /** Others when a partition was made, attached, detached or dropped. Empty without partitions. */
  readonly parts: string
}

export interface OwnedForeignKey extends SharedForeignKey {
  readonly table: TableName
}

/** Rows that point to nothing by a foreign key. */
export interface Orphans {
  readonly table: TableName
  readonly constraint: string
  readonly rows: number
}

export interface SharedCatalog {
  readonly tables: readonly SharedTable[]
  readonly views: readonly SharedRoutine[]
  /** Functions, procedures and scheduled events. */
  readonly routines: readonly SharedRoutine[]
  readonly triggers: readonly (SharedRoutine & { readonly table: TableName })[]
}

/** Something with a body in the server's dialect. */
export interface SharedRoutine extends TableName {
  readonly kind: 'view' | 'materialized view' | 'function' | 'procedure' | 'trigger' | 'event'
  readonly body: string
}

/** Why a move cannot begin or go on, and the way out. Never holds a value of a row. */
export interface Obstacle {
  readonly code: ObstacleCode
  readonly message: string
  readonly hint: string
}

/** The transactions of a log, also empty ones when the log moved on without us (at least twice a second). */
export interface LogReader extends AsyncIterable<LogTransaction> {
  /** All up to here is applied for good: the server may forget it. */
  confirm(position: Position): void
  close(): Promise<void>
}

export interface Snapshot {
  readonly position: Position
  /**
   * The next rows in key order, as PostgreSQL's COPY reads them (columns in the order of the table): up to `limit`, fewer where
   * they are very long. Default in text form.
   */
  chunk(table: MovedTable, after: Key | null, limit: number, format?: CopyFormat): Promise<Chunk>
  /** The types of the columns when `chunk` can give rows in binary form, else null. */
  binaryTypes(table: MovedTable): readonly string[] | null
  /** Number and digest of the rows in (after, after + limit rows]: the same text on both sides when the rows are the same. */
  digestNext(table: MovedTable, after: Key | null, limit: number): Promise<RangeDigest>
  /** Number and digest of the rows in (after, upto]; a null end is open. */
  digestRange(table: MovedTable, after: Key | null, upto: Key | null): Promise<Digest>
  /** The rows of a range with one digest a column, to name what differs without showing it. */
  rowDigests(table: MovedTable, after: Key | null, upto: Key | null): Promise<RowDigest[]>
  close(): Promise<void>
}

export type CopyFormat = 'text' | 'binary'

export interface Chunk {
  readonly rows: number
  readonly format: CopyFormat
  readonly data: Buffer
  /** Key of the last row; null when there were no rows left. */
  readonly last: Key | null
}

export interface Digest {
  readonly rows: number
  /** Hex. */
  readonly digest: string
}

export interface RangeDigest extends Digest {
  /** Key of the last row; null when the range is empty. */
  readonly last: Key | null
}

export interface RowDigest {
  readonly key: Key
  /** One per column, in the order of the table. */
  readonly columns: readonly string[]
}

/** The database of a service: what a PostgreSQL side can do beyond being a side. */
export interface ServiceDatabase extends Side {
  /**
   * Loads a chunk and remembers its end, in one transaction: a chunk is there once or not at all. The next chunk of a table
   * may come before this one is there, and is there after it or not at all. The chunk without rows ends the table: until
   * then it may lack its primary key. Beside a log that is applied to the table already, rows that are there stay.
   */
  load(table: MovedTable, chunk: Chunk, options?: { readonly besideLog?: boolean }): Promise<void>
  /** The types of the columns when `load` takes rows in binary form, else null. */
  binaryTypes(table: MovedTable): Promise<readonly string[] | null>
  loaded(table: MovedTable): Promise<{ readonly rows: number; readonly last: Key | null; readonly complete: boolean }>
  /** Makes the primary keys that tables lack until they are complete, so that a log can be applied to them. */
  makeKeys(tables: readonly MovedTable[]): Promise<void>
  /** Deletes all rows of a table, and the note of what is loaded of it. */
  clear(table: MovedTable): Promise<void>
  /** Rows whose foreign key inside the service leads nowhere. */
  orphans(): Promise<Orphans[]>
}
