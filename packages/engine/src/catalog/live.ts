import { DatabaseError, LockTimeoutError, type Database, type Statement, type Transaction } from '@imhotep/postgres'
import { CatalogLockedError } from './errors.ts'
import { holderText, type Holder } from './holder-text.ts'
import { emptyCatalog, type Catalog } from './model.ts'
import { numberColumns } from './live/column-numbers.ts'
import { addConstraints, constraintsQuery, type ConstraintRow } from './live/constraints.ts'
import { addDefaultPrivileges, defaultPrivilegesQuery, type DefaultPrivilegeRow } from './live/default-privileges.ts'
import { addEventTriggers, eventTriggersQuery, type EventTriggerRow } from './live/event-triggers.ts'
import { addGrants, grantsQuery, type GrantRow } from './live/grants.ts'
import { IN_USER_SCHEMA } from './live/fragments.ts'
import { addIndexes, indexesQuery, type IndexRow } from './live/indexes.ts'
import { addOthers, othersQuery, type OtherRow } from './live/others.ts'
import { addPolicies, policiesQuery, type PolicyRow } from './live/policies.ts'
import { addPublications, publicationsQuery, type PublicationRow } from './live/publications.ts'
import { addRoles, rolesQuery, type RoleRow } from './live/roles.ts'
import { addRoutines, routinesQuery, type RoutineRow } from './live/routines.ts'
import { addRules, rulesQuery, type RuleRow } from './live/rules.ts'
import {
  addExtensions,
  addSchemas,
  extensionsQuery,
  schemasQuery,
  type ExtensionRow,
  type SchemaRow,
} from './live/schemas.ts'
import { addSequences, sequencesQuery, type SequenceRow } from './live/sequences.ts'
import { addStatistics, statisticsQuery, type StatisticsRow } from './live/statistics.ts'
import { addColumns, addTables, columnsQuery, tablesQuery, type ColumnRow, type TableRow } from './live/tables.ts'
import { addTriggers, triggersQuery, type TriggerRow } from './live/triggers.ts'
import { addTypes, typesQuery, type TypeRow } from './live/types.ts'
import { addViews, viewsQuery, type ViewRow } from './live/views.ts'

export interface ReadOptions {
  /** How long a definition is waited for that somebody holds with ACCESS EXCLUSIVE, as PostgreSQL writes it. */
  readonly lockTimeout?: string
}

const LOCK_TIMEOUT = '10s'

/**
 * Reads the schema of a database: one query per kind of object, all of one snapshot, sent together. System schemas,
 * temporary objects and what belongs to an extension are left out. Every name in an expression carries its schema.
 * @throws CatalogLockedError when somebody else holds a table or view for longer than the limit
 */
export async function readCatalog(db: Database, { lockTimeout = LOCK_TIMEOUT }: ReadOptions = {}): Promise<Catalog> {
  for (let reading = 1; ; reading++) {
    try {
      return await db.transaction((tx) => readObjects(tx), {
        isolation: 'repeatable read',
        readOnly: true,
        first: [settings('', lockTimeout)],
      })
    } catch (error) {
      if (error instanceof LockTimeoutError) throw await lockedError(db, lockTimeout, error)
      if (reading === READINGS || !isDroppedMeanwhile(error)) throw error
    }
  }
}

const READINGS = 3

/** Functions that print definitions look past the snapshot, and miss what was dropped since. */
function isDroppedMeanwhile(error: unknown): boolean {
  return (
    error instanceof DatabaseError &&
    error.sqlstate === 'XX000' &&
    /could not open relation with OID|cache lookup failed/.test(error.message)
  )
}

async function lockedError(db: Database, limit: string, cause: unknown): Promise<CatalogLockedError> {
  const [lock] = await db.query<Holder & { relation: string; granted: boolean }>(lockQuery)
  if (!lock) return new CatalogLockedError(`waited ${limit} for a lock that was given back just then`, null, { cause })
  const { relation, granted, pid } = lock
  const text = `'${relation}' is ${granted ? 'held' : 'asked for'} by ${holderText(lock)}, waited ${limit}`
  return new CatalogLockedError(text, pid, { cause })
}

/** ACCESS EXCLUSIVE is the only lock in the way of a reader; who waits for it keeps those behind waiting as well. */
const lockQuery = `
  select n.nspname || '.' || c.relname as relation, l.granted, l.pid, a.application_name as application,
    a.xact_start as since
  from pg_catalog.pg_locks l
    join pg_catalog.pg_class c on c.oid = l.relation
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    left join pg_catalog.pg_stat_activity a using (pid)
  where l.locktype = 'relation' and l.mode = 'AccessExclusiveLock' and ${IN_USER_SCHEMA}
    and l.database = (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database())
  order by l.granted desc, c.relkind in ('i', 'I'), a.xact_start, relation limit 1`

/**
 * The same inside an open transaction, which sees what it has changed itself.
 * @throws LockTimeoutError when somebody else holds a table or view for longer than the limit
 */
export async function readCatalogInside(tx: Transaction): Promise<Catalog> {
  const [before] = await tx.query<{ path: string; wait: string }>(
    `select pg_catalog.current_setting('search_path') as path, pg_catalog.current_setting('lock_timeout') as wait`,
  )
  const { sql, params } = settings('', LOCK_TIMEOUT)
  await tx.query(sql, params)
  const catalog = await readObjects(tx)
  const after = settings(before?.path ?? '', before?.wait ?? '0')
  await tx.query(after.sql, after.params)
  return catalog
}

/** With an empty search path PostgreSQL prints every name with its schema. */
function settings(searchPath: string, lockTimeout: string): Statement {
  const sql = `select pg_catalog.set_config('search_path', $1, true), pg_catalog.set_config('lock_timeout', $2, true),
    pg_catalog.set_config('jit', 'off', true)`
  return { sql, params: [searchPath, lockTimeout] }
}

async function readObjects(tx: Transaction): Promise<Catalog> {
  // One connection, so the statements follow each other without waiting for answers.
  const [
    schemas,
    extensions,
    roles,
    types,
    sequences,
    tables,
    columns,
    constraints,
    views,
    indexes,
    policies,
    triggers,
    rules,
    routines,
    grants,
    statistics,
    publications,
    eventTriggers,
    defaultPrivileges,
    others,
  ] = await Promise.all([
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
    tx.query<PolicyRow>(policiesQuery),
    tx.query<TriggerRow>(triggersQuery),
    tx.query<RuleRow>(rulesQuery),
    tx.query<RoutineRow>(routinesQuery),
    tx.query<GrantRow>(grantsQuery),
    tx.query<StatisticsRow>(statisticsQuery),
    tx.query<PublicationRow>(publicationsQuery),
    tx.query<EventTriggerRow>(eventTriggersQuery),
    tx.query<DefaultPrivilegeRow>(defaultPrivilegesQuery),
    tx.query<OtherRow>(othersQuery),
  ])
  const catalog = emptyCatalog()
  addSchemas(catalog, schemas)
  addExtensions(catalog, extensions)
  addRoles(catalog, roles)
  addTypes(catalog, types)
  addTables(catalog, tables)
  addColumns(catalog, columns)
  const numbers = numberColumns(columns)
  addSequences(catalog, sequences)
  addConstraints(catalog, constraints, numbers)
  addViews(catalog, views)
  addIndexes(catalog, indexes, numbers)
  addPolicies(catalog, policies)
  addTriggers(catalog, triggers, numbers)
  addRules(catalog, rules)
  addRoutines(catalog, routines)
  addStatistics(catalog, statistics)
  addPublications(catalog, publications)
  addEventTriggers(catalog, eventTriggers)
  addDefaultPrivileges(catalog, defaultPrivileges)
  addOthers(catalog, others)
  addGrants(catalog, grants)
  return catalog
}
