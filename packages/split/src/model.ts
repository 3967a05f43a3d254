/** A table by schema and name. On MariaDB and MySQL the schema is the database. */
export interface TableName {
  readonly schema: string
  readonly name: string
}

/** `schema.name`, for keys of maps and for messages. */
export function tableId({ schema, name }: TableName): string {
  return `${schema}.${name}`
}

/** A table of the shared database as its server describes it. */
export interface SharedTable extends TableName {
  readonly columns: readonly SharedColumn[]
  /** Empty when the table has none: such a table cannot be moved. */
  readonly primaryKey: readonly string[]
  /** All but the primary key. */
  readonly indexes: readonly SharedIndex[]
  readonly foreignKeys: readonly SharedForeignKey[]
  /** In the server's own dialect. Absent where they are read otherwise. */
  readonly checks?: readonly SharedCheck[]
  readonly comment?: string
  /** The server's estimate. */
  readonly rows: number
  /** Rows and indexes on disk. */
  readonly bytes: number
}

export interface SharedColumn {
  readonly name: string
  /** As the server spells it: `bigint(20) unsigned`, `timestamp with time zone`. */
  readonly type: string
  readonly nullable: boolean
  /** The expression in the server's own dialect. */
  readonly default: string | null
  /** The expression of a generated column; its values are not moved, the target computes them. */
  readonly generated: string | null
  /** AUTO_INCREMENT, identity, or a default from an owned sequence. */
  readonly identity: boolean
  readonly collation: string | null
  readonly comment: string
  /** What MariaDB sets it to when the row changes: `current_timestamp(3)`. */
  readonly onUpdate?: string
}

export interface SharedIndex {
  readonly name: string
  readonly unique: boolean
  /** Column names; an expression is kept in the server's dialect. */
  readonly columns: readonly string[]
  /** Absent: an ordinary one. */
  readonly kind?: 'fulltext' | 'spatial'
  /** In the order of `columns`. Absent: whole values in ascending order. */
  readonly parts?: readonly SharedIndexPart[]
}

export interface SharedIndexPart {
  /** Characters (bytes of binary values) that are indexed; null: all. */
  readonly prefix: number | null
  readonly descending: boolean
}

export interface SharedCheck {
  readonly name: string
  readonly expression: string
}

export type ReferentialAction = 'no action' | 'restrict' | 'cascade' | 'set null' | 'set default'

export interface SharedForeignKey {
  readonly name: string
  readonly columns: readonly string[]
  readonly references: TableName & { readonly columns: readonly string[] }
  readonly onDelete: ReferentialAction
  readonly onUpdate: ReferentialAction
}

/** A table on its way: where its rows are, where they go, and how each column is translated. */
export interface MovedTable {
  readonly source: TableName
  readonly target: TableName
  /** Stored columns in the order of `Row`; generated ones are left out. */
  readonly columns: readonly MovedColumn[]
  /** Names of key columns, in the order of `Key`; they are part of `columns`. */
  readonly key: readonly string[]
}

export interface MovedColumn {
  readonly name: string
  readonly sourceType: string
  /** Type on PostgreSQL. */
  readonly targetType: string
  readonly nullable: boolean
  /** Dates that PostgreSQL cannot hold (0000-00-00, 2024-00-10): what becomes of them. Absent: they stop the move. */
  readonly zeroDate?: 'null' | { readonly sentinel: string }
}

/**
 * The neutral form of a value is the text that PostgreSQL reads for the column's target type (`t`, `\x00ff`, `{a,b}`,
 * `2026-11-26 10:00:00.5+00`), whichever server it comes from. `undefined`: the log left it out because it did not change.
 */
export type Value = string | null | undefined

/** Values in the order of `MovedTable.columns`. */
export type Row = readonly Value[]

/** Values of the key columns in neutral form, in the order of `MovedTable.key`. */
export type Key = readonly string[]

/** A place in a server's log of changes: an LSN of PostgreSQL, `file:offset` of a binlog. Only its own side compares it. */
export type Position = string

export interface Change {
  readonly table: MovedTable
  readonly kind: 'insert' | 'update' | 'delete' | 'truncate'
  /** The row's key before the change: of update and delete. */
  readonly key?: Key
  /** The row after the change: of insert and update. */
  readonly row?: Row
  /** The row before the change, when the log holds it. */
  readonly before?: Row
  /** Foreign keys did nothing to other rows: their checks were off. Of update and delete. */
  readonly withoutCascade?: boolean
}

/** One committed transaction of the log, or with no changes a sign that the log has reached `position`. */
export interface LogTransaction {
  /** Behind the commit. */
  readonly position: Position
  /** By the source's clock. */
  readonly committedAt: Date
  readonly changes: Changes
}

/** In the order in which they were made. */
export interface Changes extends Iterable<Change> {
  readonly length: number
}
