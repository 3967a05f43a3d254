import type { Catalog } from '../model.ts'
import { SYSTEM_SCHEMAS, withoutModifier, type Item } from './rows.ts'

/** What current_database() and the catalog columns of information_schema say. */
export const DATABASE = '(this database)'

function standardType(type: string): string {
  if (type.endsWith('[]')) return 'ARRAY'
  return type.includes('.') ? 'USER-DEFINED' : withoutModifier(type)
}

const CONSTRAINT_TYPES = {
  'primary key': 'PRIMARY KEY',
  unique: 'UNIQUE',
  'foreign key': 'FOREIGN KEY',
  check: 'CHECK',
} as const

function ofConstraints(catalog: Catalog, columnsOf: 'own' | 'referenced' | null): Item[] {
  return [...catalog.tables.values()].flatMap((own) =>
    [...own.constraints.values()].flatMap((constraint): Item[] => {
      const type = CONSTRAINT_TYPES[constraint.kind as keyof typeof CONSTRAINT_TYPES]
      if (!type) return []
      const base = {
        constraint_catalog: DATABASE,
        constraint_schema: own.schema,
        constraint_name: constraint.name,
        constraint_type: type,
        table_catalog: DATABASE,
        table_schema: own.schema,
        table_name: own.name,
      }
      if (columnsOf === null) return [base]
      const { references } = constraint
      if (columnsOf === 'own' || references === null)
        return constraint.columns.map((column_name) => ({ ...base, column_name }))
      const [table_schema = '', table_name = ''] = references.split('.')
      return constraint.referencedColumns.map((column_name) => ({ ...base, table_schema, table_name, column_name }))
    }),
  )
}

/** Rows of information_schema. */
export const standardRows: Record<string, (catalog: Catalog) => Item[]> = {
  schemata: ({ schemas }) =>
    [...schemas.keys(), ...SYSTEM_SCHEMAS].map((schema_name) => ({ catalog_name: DATABASE, schema_name })),
  tables: ({ tables, views }) => [
    ...[...tables.values()].map((own) => ({
      table_catalog: DATABASE,
      table_schema: own.schema,
      table_name: own.name,
      table_type: 'BASE TABLE',
    })),
    ...[...views.values()]
      .filter((own) => !own.materialized)
      .map((own) => ({ table_catalog: DATABASE, table_schema: own.schema, table_name: own.name, table_type: 'VIEW' })),
  ],
  views: ({ views }) =>
    [...views.values()]
      .filter((own) => !own.materialized)
      .map((own) => ({ table_catalog: DATABASE, table_schema: own.schema, table_name: own.name })),
  columns: ({ tables, views }) => [
    ...[...tables.values()].flatMap((own) =>
      [...own.columns.values()].map((column) => ({
        table_catalog: DATABASE,
        table_schema: own.schema,
        table_name: own.name,
        column_name: column.name,
        ordinal_position: column.ordinal,
        is_nullable: column.notNull ? 'NO' : 'YES',
        data_type: standardType(column.type),
        character_maximum_length: /^character(?: varying)?\((\d+)\)/.exec(column.type)?.[1] ?? null,
        is_identity: column.identity === null ? 'NO' : 'YES',
        is_generated: column.generated === null ? 'NEVER' : 'ALWAYS',
        ...(column.default === null ? { column_default: null } : {}),
      })),
    ),
    ...[...views.values()]
      .filter((own) => !own.materialized)
      .flatMap((own) =>
        own.columns.map((column_name, n) => ({
          table_catalog: DATABASE,
          table_schema: own.schema,
          table_name: own.name,
          column_name,
          ordinal_position: n + 1,
        })),
      ),
  ],
  table_constraints: (catalog) => ofConstraints(catalog, null),
  key_column_usage: (catalog) => ofConstraints(catalog, 'own'),
  constraint_column_usage: (catalog) => ofConstraints(catalog, 'referenced'),
  referential_constraints: (catalog) =>
    ofConstraints(catalog, null).filter((row) => row['constraint_type'] === 'FOREIGN KEY'),
  check_constraints: (catalog) => ofConstraints(catalog, null).filter((row) => row['constraint_type'] === 'CHECK'),
  sequences: ({ sequences }) =>
    [...sequences.values()].map((own) => ({ sequence_schema: own.schema, sequence_name: own.name })),
  triggers: ({ tables }) =>
    [...tables.values()].flatMap((own) =>
      [...own.triggers.values()].flatMap((trigger) =>
        trigger.events.map((event) => ({
          trigger_schema: own.schema,
          trigger_name: trigger.name,
          event_manipulation: event.toUpperCase(),
          event_object_schema: own.schema,
          event_object_table: own.name,
        })),
      ),
    ),
  routines: ({ functions }) =>
    [...functions.values()].map((own) => ({
      routine_schema: own.schema,
      routine_name: own.name,
      specific_schema: own.schema,
      routine_type: own.kind === 'procedure' ? 'PROCEDURE' : 'FUNCTION',
    })),
}
