import { NotRepeatableError } from '../bundle/not-repeatable-error.ts'
import { repeatable } from '../bundle/repeatable.ts'
import type { Catalog, Table, View } from '../catalog/model.ts'
import { parseSql, type ParsedStatement } from '../parse/parse-sql.ts'
import { orderObjects, type ParsedObject } from './order-objects.ts'
import { printAccess } from './print-access.ts'
import { printComments } from './print-comments.ts'
import { isInsideTable, printLateConstraint, printUnvalidatedNotNulls } from './print-constraint.ts'
import { printDefaultPrivileges } from './print-default-privileges.ts'
import { printEventTrigger } from './print-event-trigger.ts'
import { printIndex } from './print-index.ts'
import { printOther } from './print-other.ts'
import { printPolicies } from './print-policy.ts'
import { printPublication } from './print-publication.ts'
import { printRole } from './print-role.ts'
import { printRoutine } from './print-routine.ts'
import { printRule } from './print-rule.ts'
import { printExtension, printSchema } from './print-schema.ts'
import { printSequence } from './print-sequence.ts'
import { printStatistics } from './print-statistics.ts'
import { printColumnSettings, printReplicaIdentity, printTable } from './print-table.ts'
import { printTrigger } from './print-trigger.ts'
import { printType } from './print-type.ts'
import { printView } from './print-view.ts'
import type { PrintedObject, UnplacedObject } from './printed-object.ts'

export interface PrintOptions {
  /** Every statement can be run twice with the result of once. */
  readonly repeatable: boolean
}

/**
 * A catalog as canonical SQL in lower case, in an order that PostgreSQL accepts on an empty database. Bodies of functions
 * may name what comes later: run it with `check_function_bodies` off, as `printedScript` does. Superusers are not
 * printed, and what they own belongs to whoever runs the script. What the catalog knows by name only (operator families,
 * dictionaries) is left out.
 *
 * @throws NotRepeatableError when a statement was to be repeatable and cannot be, SqlSyntaxError when one cannot be read for that
 */
export async function printCatalog(catalog: Catalog, options: PrintOptions): Promise<PrintedObject[]> {
  const printed = (await orderedObjects(catalog)).filter(({ object }) => object.statements.length > 0)
  return printed.map(({ object, statements, errors }) => {
    const { object: name, kind, schema, section } = object
    if (errors[0] && options.repeatable) throw errors[0]
    const texts = options.repeatable ? repeatableTexts(name, statements) : object.statements
    return { object: name, kind, schema, section, sql: texts.map((text) => `${text};`).join('\n') }
  })
}

/** What a catalog is printed of, in its order. */
export async function orderedObjects(catalog: Catalog): Promise<ParsedObject[]> {
  const parsed: ParsedObject[] = []
  for (const object of allObjects(catalog)) {
    const text = object.statements.map((statement) => `${statement};`).join('\n')
    const { statements, errors } = await parseSql(text, object.object)
    // An expression that our grammar does not know may still be one of the server's.
    parsed.push({ object, statements: errors.length > 0 ? [] : statements, errors })
  }
  return orderObjects(parsed)
}

function repeatableTexts(name: string, statements: readonly ParsedStatement[]): string[] {
  return statements.map((statement) => {
    const result = repeatable(statement)
    if ('text' in result) return result.text
    throw new NotRepeatableError([`${name}: ${result.refused}; ${result.instead}`])
  })
}

/** Everything that a catalog holds, kind by kind. */
function allObjects(catalog: Catalog): UnplacedObject[] {
  const owners: (Table | View)[] = [...catalog.tables.values(), ...catalog.views.values()]
  const tables = [...catalog.tables.values()]
  const found: (UnplacedObject | null)[] = [
    ...[...catalog.roles.values()].filter(({ superuser }) => !superuser).map(printRole),
    ...[...catalog.schemas.values()].map(printSchema),
    ...[...catalog.extensions.values()].map(printExtension),
    ...[...catalog.types.values()].map(printType),
    ...[...catalog.sequences.values()].flatMap(printSequence),
    ...[...catalog.functions.values()].map(printRoutine),
    ...tables.map((table) => printTable(catalog, table)),
    ...owners.flatMap((owner) =>
      [...owner.indexes.values()]
        .filter((index) => !index.fromConstraint)
        .map((index) => printIndex(catalog, owner, index)),
    ),
    // Partitions first: the key of a partitioned table takes over theirs.
    ...byDepth(catalog).flatMap((table) =>
      [...table.constraints.values()]
        .filter((constraint) => !isInsideTable(constraint))
        .map((constraint) => printLateConstraint(table, constraint)),
    ),
    ...tables.flatMap((table) => printUnvalidatedNotNulls(catalog, table)),
    ...[...catalog.views.values()].map(printView),
    ...[...catalog.statistics.values()].map((statistics) => printStatistics(catalog, statistics)),
    ...owners.flatMap((owner) => [...owner.rules.values()].map((rule) => printRule(owner, rule))),
    ...owners.flatMap((owner) => [...owner.triggers.values()].map((trigger) => printTrigger(catalog, owner, trigger))),
    ...tables.flatMap(printColumnSettings),
    ...tables.map(printReplicaIdentity),
    ...tables.flatMap(printPolicies),
    ...[...catalog.others.values()].map(printOther),
    ...[...catalog.publications.values()].map(printPublication),
    ...printAccess(catalog),
    ...catalog.defaultPrivileges.map((entry) => printDefaultPrivileges(catalog, entry)),
    ...printComments(catalog),
    ...[...catalog.eventTriggers.values()].map(printEventTrigger),
  ]
  return found.filter((object) => object !== null)
}

/** Tables, partitions before the tables that they are part of. */
export function byDepth(catalog: Catalog): Table[] {
  const depth = (table: Table): number => {
    const parent = table.partitionOf === null ? undefined : catalog.tables.get(table.partitionOf)
    return parent ? depth(parent) + 1 : 0
  }
  return [...catalog.tables.values()].toSorted((a, b) => depth(b) - depth(a))
}

/** One script of printed objects, for one transaction. */
export function printedScript(objects: readonly PrintedObject[]): string {
  const head = objects.some(({ section }) => section === 'functions') ? ['set local check_function_bodies = off;'] : []
  return [...head, ...objects.map(({ sql }) => sql)].join('\n\n') + '\n'
}
