import type { TableName } from '../model.ts'

/** What took the place of a foreign key between two services: kept true some seconds later instead of at once. */
export interface LooseKey {
  readonly name: string
  readonly child: LooseTable
  readonly parent: LooseTable
  /** What becomes of children whose parent is gone; 'report': they are counted, and a person decides. */
  readonly onDelete: 'delete' | 'nullify' | 'report'
}

export interface LooseTable {
  readonly service: string
  /** In the shared database. */
  readonly shared: TableName
  /** In the database of its service. */
  readonly own: TableName
  readonly columns: readonly string[]
}

/** A parent's key that is gone. */
export interface DeletedKey {
  readonly id: string
  /** `schema.name` where it was deleted. */
  readonly table: string
  readonly columns: readonly string[]
  readonly values: readonly (string | null)[]
}

/** One database, as far as loose keys are concerned. Tables are named as they are in it. */
export interface LooseEnd {
  /** Keys of rows that clients delete from the table are remembered from now on. */
  watch(table: TableName, columns: readonly string[]): Promise<void>
  unwatch(table: TableName): Promise<void>
  /** The oldest deleted keys that are not worked off. */
  deleted(limit: number): Promise<DeletedKey[]>
  forget(ids: readonly string[]): Promise<void>
  /** Deletes or nullifies at most `limit` rows whose columns hold one of the keys, and tells how many they were. */
  settle(
    table: TableName,
    columns: readonly string[],
    keys: readonly (readonly string[])[],
    action: 'delete' | 'nullify',
    limit: number,
  ): Promise<number>
  /** Distinct keys that rows of the table refer to, in order, behind `after`. */
  referredKeys(
    table: TableName,
    columns: readonly string[],
    after: readonly string[] | null,
    limit: number,
  ): Promise<string[][]>
  /** Those of the keys that no row of the table has. */
  missingKeys(table: TableName, columns: readonly string[], keys: readonly (readonly string[])[]): Promise<string[][]>
}
