import type { SharedTable } from '../model.ts'

/** A table with an id; tests change what they are about. */
export function sharedTable(name: string, changes: Partial<SharedTable> = {}): SharedTable {
  return {
    schema: 'shop',
    name,
    columns: [sharedColumn('id')],
    primaryKey: ['id'],
    indexes: [],
    foreignKeys: [],
    rows: 0,
    bytes: 0,
    ...changes,
  }
}

export function sharedColumn(name: string, nullable = false): SharedTable['columns'][number] {
  return {
    name,
    type: 'bigint(20) unsigned',
    nullable,
    default: null,
    generated: null,
    identity: false,
    collation: null,
    comment: '',
  }
}

/** A foreign key of one column to the id of another table. */
export function foreignKey(column: string, table: string, changes: Partial<SharedTable['foreignKeys'][number]> = {}) {
  return {
    name: `${column}_${table}`,
    columns: [column],
    references: { schema: 'shop', name: table, columns: ['id'] },
    onDelete: 'restrict' as const,
    onUpdate: 'restrict' as const,
    ...changes,
  }
}
