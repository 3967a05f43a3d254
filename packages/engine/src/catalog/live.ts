import type { Database, Statement, Transaction } from '@imhotep/postgres'
import { emptyCatalog, type Catalog } from './model.ts'
import { addConstraints, constraintsQuery, type ConstraintRow } from './live/constraints.ts'
import { addGrants, grantsQuery, type GrantRow } from './live/grants.ts'
import { addIndexes, indexesQuery, type IndexRow } from './live/indexes.ts'
import { addPolicies, policiesQuery, type PolicyRow } from './live/policies.ts'
import { addRoles, rolesQuery, type RoleRow } from './live/roles.ts'
import { addRoutines, routinesQuery, type RoutineRow } from './live/routines.ts'
import {
  addExtensions,
  addSchemas,
  extensionsQuery,
  schemasQuery,
  type ExtensionRow,
  type SchemaRow,
} from './live/schemas.ts'
import { addSequences, sequencesQuery, type SequenceRow } from './live/sequences.ts'
import { addColumns, addTables, columnsQuery, tablesQuery, type ColumnRow, type TableRow } from './live/tables.ts'
import { addTriggers, triggersQuery, type TriggerRow } from './live/triggers.ts'
import { addTypes, typesQuery, type TypeRow } from './live/types.ts'
import { addViews, viewsQuery, type ViewRow } from './live/views.ts'

/**
 * Reads the schema of a database: one query per kind of object, all of one snapshot, sent together. System schemas,
 * temporary objects and what belongs to an extension are left out. Every name in an expression carries its schema.
 */
export async function readCatalog(db: Database): Promise<Catalog> {
  return db.transaction((tx) => readObjects(tx), {
    isolation: 'repeatable read',
    readOnly: true,
    first: [settings('')],
  })
}

/** The same inside an open transaction, which sees what it has changed itself. */
export async function readCatalogInside(tx: Transaction): Promise<Catalog> {
  const [before] = await tx.query<{ path: string }>(`select pg_catalog.current_setting('search_path') as path`)
  const { sql, params } = settings('')
  await tx.query(sql, params)
  const catalog = await readObjects(tx)
  const after = settings(before?.path ?? '')
  await tx.query(after.sql, after.params)
  return catalog
}

/** With an empty search path PostgreSQL prints every name with its schema. */
function settings(searchPath: string): Statement {
  const sql = `select pg_catalog.set_config('search_path', $1, true), pg_catalog.set_config('jit', 'off', true)`
  return { sql, params: [searchPath] }
}

async function readObjects(tx: Transaction): Promise<Catalog> {
  const catalog = emptyCatalog()
  const [schemas, extensions, roles, types, sequences, tables, columns, constraints, views, indexes] =
    // One connection, so the statements follow each other without waiting for answers.
    await Promise.all([
      tx.query<SchemaRow>(schemasQuery),
      tx.query<ExtensionRow>(extensionsQuery),
      tx.query<RoleRow>(rolesQuery),
      tx.query<TypeRow>(typesQuery),
      tx.query<SequenceRow>(sequencesQuery),
      tx.query<TableRow>(tablesQuery),
      tx.query<ColumnRow>(columnsQuery),
      tx.query<ConstraintRow>(constraintsQuery),
      tx.query<ViewRow>(viewsQuery),
      tx.query<IndexRow>(indexesQuery),
    ])
  const [policies, triggers, routines, grants] = await Promise.all([
    tx.query<PolicyRow>(policiesQuery),
    tx.query<TriggerRow>(triggersQuery),
    tx.query<RoutineRow>(routinesQuery),
    tx.query<GrantRow>(grantsQuery),
  ])
  addSchemas(catalog, schemas)
  addExtensions(catalog, extensions)
  addRoles(catalog, roles)
  addTypes(catalog, types)
  addSequences(catalog, sequences)
  addTables(catalog, tables)
  addColumns(catalog, columns)
  addConstraints(catalog, constraints)
  addViews(catalog, views)
  addIndexes(catalog, indexes)
  addPolicies(catalog, policies)
  addTriggers(catalog, triggers)
  addRoutines(catalog, routines)
  addGrants(catalog, grants)
  return catalog
}
