import { readCatalog, type Column, type Constraint, type Index, type Table } from '@imhotep/engine'
import { LockTimeoutError, type Database } from '@imhotep/postgres'
import type { SharedColumn, SharedForeignKey, SharedIndex, SharedTable, TableName } from '../model.ts'
import type { SharedCatalog, SharedRoutine } from '../side.ts'
import { TableBusyError } from './errors.ts'
import { partitionTree } from './sql-text.ts'

/** Ours, and what nobody moves: a schema, and triggers of that name. */
const ownSchema = 'imhotep_split'

interface SizeRow extends TableName {
  readonly rows: number
  readonly bytes: number
}

/** A partitioned table has no rows of its own: it is as large as its partitions. The size of a table waits for its lock. */
const sizesQuery = `
  select n.nspname as schema, c.relname as name,
         coalesce(sum(greatest(p.reltuples, 0)), 0)::int8 as rows,
         coalesce(sum(pg_total_relation_size(p.oid)), 0)::int8 as bytes
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    left join lateral (
      select l.* from ${partitionTree('c.oid')} t join pg_class l on l.oid = t.oid and l.relkind = 'r') p on true
   where c.relkind in ('r', 'p') and not c.relispartition
   group by n.nspname, c.relname`

/**
 * The tables, views, routines and triggers of a database, of some schemas or of all. Partitions belong to their table.
 * @throws TableBusyError, CatalogLockedError when somebody holds a table for so long that it cannot be looked at
 */
export async function readSharedCatalog(
  db: Database,
  schemas?: readonly string[],
  lockSeconds = 10,
): Promise<SharedCatalog> {
  const [catalog, sizes] = await Promise.all([
    readCatalog(db, { lockTimeout: `${lockSeconds * 1000}ms` }),
    readSizes(db, lockSeconds),
  ])
  const sizeOf = new Map(sizes.map((size) => [`${size.schema}.${size.name}`, size]))
  const isWanted = ({ schema }: { schema: string }) =>
    schema !== ownSchema && (schemas === undefined || schemas.includes(schema))
  const tables = [...catalog.tables.values()].filter((table) => table.partitionOf === null && isWanted(table))
  const owners = [...catalog.tables.values(), ...catalog.views.values()].filter(isWanted)
  const bodyOf = (name: string) =>
    [...catalog.functions.values()].find((routine) => `${routine.schema}.${routine.name}` === name)?.body ?? ''

  return {
    tables: tables.map((table) => toSharedTable(table, sizeOf.get(`${table.schema}.${table.name}`))),
    views: [...catalog.views.values()].filter(isWanted).map((view) => ({
      schema: view.schema,
      name: view.name,
      kind: view.materialized ? 'materialized view' : 'view',
      body: view.definition,
    })),
    routines: [...catalog.functions.values()]
      .filter((routine) => routine.kind !== 'aggregate' && isWanted(routine))
      .map(({ schema, name, kind, body }): SharedRoutine => ({
        schema,
        name,
        kind: kind === 'procedure' ? 'procedure' : 'function',
        body,
      })),
    triggers: owners.flatMap((owner) =>
      [...owner.triggers.values()]
        .filter(({ name }) => !name.startsWith(`${ownSchema}_`))
        .map((trigger) => ({
          schema: owner.schema,
          name: trigger.name,
          kind: 'trigger' as const,
          body: bodyOf(trigger.function),
          table: { schema: owner.schema, name: owner.name },
        })),
    ),
  }
}

async function readSizes(db: Database, lockSeconds: number): Promise<SizeRow[]> {
  const limit = { sql: `select set_config('lock_timeout', $1, true)`, params: [`${lockSeconds * 1000}ms`] }
  try {
    return await db.transaction((tx) => tx.query<SizeRow>(sizesQuery), { readOnly: true, retries: 0, first: [limit] })
  } catch (error) {
    if (error instanceof LockTimeoutError) throw new TableBusyError(lockSeconds, { cause: error })
    throw error
  }
}

function toSharedTable(table: Table, size: SizeRow | undefined): SharedTable {
  const constraints = [...table.constraints.values()]
  const primary = constraints.find(({ kind }) => kind === 'primary key')
  return {
    schema: table.schema,
    name: table.name,
    columns: [...table.columns.values()].toSorted((a, b) => a.ordinal - b.ordinal).map(toSharedColumn),
    primaryKey: primary?.columns ?? [],
    indexes: [...table.indexes.values()].filter(({ name }) => name !== primary?.name).map(toSharedIndex),
    foreignKeys: constraints.filter(({ kind }) => kind === 'foreign key').map(toSharedForeignKey),
    rows: size?.rows ?? 0,
    bytes: size?.bytes ?? 0,
  }
}

function toSharedColumn(column: Column): SharedColumn {
  return {
    name: column.name,
    type: column.type,
    nullable: !column.notNull,
    default: column.default,
    generated: column.generated,
    identity: column.identity !== null || /^(pg_catalog\.)?nextval\(/i.test(column.default ?? ''),
    collation: column.collation,
    comment: column.comment ?? '',
  }
}

function toSharedIndex(index: Index): SharedIndex {
  return {
    name: index.name,
    unique: index.unique && index.predicate === null,
    columns: index.keys.map(({ column, expression }) => column ?? expression ?? ''),
  }
}

function toSharedForeignKey(constraint: Constraint): SharedForeignKey {
  const [schema = '', ...rest] = (constraint.references ?? '').split('.')
  return {
    name: constraint.name,
    columns: constraint.columns,
    references: { schema, name: rest.join('.'), columns: constraint.referencedColumns },
    onDelete: constraint.onDelete ?? 'no action',
    onUpdate: constraint.onUpdate ?? 'no action',
  }
}
