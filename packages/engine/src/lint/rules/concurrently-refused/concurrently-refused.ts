import type { ParsedStatement } from '../../../parse/parse-sql.ts'
import { path } from '../../../parse/references.ts'
import { relationKey, typeKey } from '../../history/names.ts'
import { mayHaveTouched } from '../../history/unknown-effects.ts'
import { alterSteps } from '../../locks/alter-steps.ts'
import { defaultPartition } from '../../../catalog/default-partition.ts'
import { indexOwner } from '../../locks/index-owner.ts'
import { tellsRowsApart } from '../../locks/tells-rows-apart.ts'
import type { LintRule, Moment, Problem } from '../../rule.ts'

type Content<Tag extends string> = Extract<ParsedStatement['node'], Record<Tag, unknown>>[Tag]

export const concurrentlyRefused: LintRule = {
  id: 'concurrently-refused',
  family: 'locks',
  severity: 'error',
  effect: 'PostgreSQL refuses the statement on every server: CONCURRENTLY does not do this.',
  instead:
    'On a partitioned table: create index on only the parent, concurrently on each partition, then alter index .. attach partition; drop index and detach partition without CONCURRENTLY where there is no other way. Drop one index a statement, without CASCADE. Give a materialized view a unique index over columns, and fill it, first.',
  on: ['IndexStmt', 'DropStmt', 'AlterTableStmt', 'RefreshMatViewStmt'],
  *check(statement, moment) {
    const { node } = statement
    if ('IndexStmt' in node) yield* refusedBuild(node.IndexStmt, moment)
    if ('DropStmt' in node) yield* refusedDrop(node.DropStmt, moment)
    if ('AlterTableStmt' in node) yield* refusedDetach(statement, moment)
    if ('RefreshMatViewStmt' in node) yield* refusedRefresh(node.RefreshMatViewStmt, moment)
  },
}

function* refusedBuild({ concurrent, relation }: Content<'IndexStmt'>, moment: Moment): Iterable<Problem> {
  const table = relationKey(relation)
  if (!concurrent || !isPartitioned(table, moment)) return
  yield { object: table, message: `an index of partitioned table '${table}' cannot be built concurrently` }
}

function* refusedDrop(
  { removeType, concurrent, objects = [], behavior }: Content<'DropStmt'>,
  moment: Moment,
): Iterable<Problem> {
  if (removeType !== 'OBJECT_INDEX' || !concurrent) return
  const names = objects.map((object) => typeKey('List' in object ? path(object.List.items) : []))
  const [name = ''] = names
  const table = indexOwner(name, moment.catalog)?.table
  if (names.length > 1)
    yield { object: name, message: `${names.length} indexes cannot be dropped concurrently by one statement` }
  else if (behavior === 'DROP_CASCADE')
    yield { object: name, message: `index '${name}' cannot be dropped concurrently with CASCADE` }
  else if (table !== undefined && isPartitioned(table, moment))
    yield { object: name, message: `index '${name}' of partitioned table '${table}' cannot be dropped concurrently` }
}

function* refusedDetach(statement: ParsedStatement, { catalog }: Moment): Iterable<Problem> {
  for (const { table, command, start } of alterSteps(statement)) {
    const { subtype, def } = command
    if (subtype !== 'AT_DetachPartition' || !def || !('PartitionCmd' in def) || !def.PartitionCmd.concurrent) continue
    const other = defaultPartition(table, catalog)
    if (!other) continue
    yield {
      at: start,
      object: table,
      message: `no partition of '${table}' can be detached concurrently while it has a default partition`,
      related: other.position ? [{ ...other.position, message: 'the default partition is created here' }] : [],
    }
  }
}

function* refusedRefresh(
  { concurrent, relation, skipData }: Content<'RefreshMatViewStmt'>,
  { catalog, history }: Moment,
): Iterable<Problem> {
  if (!concurrent) return
  const name = relationKey(relation)
  if (skipData) yield { object: name, message: `'${name}' cannot be emptied concurrently` }
  const view = catalog.views.get(name)
  const isUncertain =
    !history.complete || catalog.unknown.some((effect) => mayHaveTouched(effect, view?.schema ?? '', view?.name ?? ''))
  if (!view || skipData || isUncertain) return
  if (!view.withData)
    yield { object: name, message: `'${name}' cannot be filled concurrently: it was created with no data` }
  else if (![...view.indexes.values()].some(tellsRowsApart))
    yield { object: name, message: `'${name}' cannot be refreshed concurrently: it has no unique index over columns` }
}

function isPartitioned(table: string, { catalog }: Moment): boolean {
  return catalog.tables.get(table)?.partitionKey != null
}
