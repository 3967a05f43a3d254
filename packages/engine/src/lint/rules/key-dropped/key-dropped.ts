import type { Table } from '../../../catalog/model.ts'
import { path } from '../../../parse/references.ts'
import type { ParsedStatement } from '../../../parse/parse-sql.ts'
import { isCalled } from '../../destruction/later-statements.ts'
import { typeKey, relationKey } from '../../history/names.ts'
import { addedConstraint, alterSteps, existingSteps } from '../../locks/alter-steps.ts'
import { indexOwner } from '../../locks/index-owner.ts'
import type { LintRule, Moment } from '../../rule.ts'

export const keyDropped: LintRule = {
  id: 'key-dropped',
  family: 'destruction',
  severity: 'warning',
  effect: 'INSERT .. ON CONFLICT over these columns fails in running clients, and the same row can come twice.',
  instead: 'Build the new key first (concurrently), move the code to it, then drop the old one in a later file.',
  on: ['AlterTableStmt', 'DropStmt'],
  *check(statement, moment) {
    for (const { table, name, start } of droppedKeys(statement, moment)) {
      if (moment.file.statements.some((other) => makesKey(other, table))) continue
      const known = moment.catalog.tables.get(table)
      if (!known && isKeyName(name))
        yield { at: start, object: table, message: `key '${name}' of '${table}' is dropped` }
      const columns = known ? keyColumns(known, name) : null
      if (!known || !columns || columns.length === 0) continue
      const others = [...known.indexes.values()].filter((index) => index.name !== name)
      if (others.some((index) => index.unique && same(keyColumns(known, index.name), columns))) continue
      const position = known.indexes.get(name)?.position
      yield {
        at: start,
        object: table,
        message: `nothing keeps ${columns.map((column) => `'${column}'`).join(', ')} of '${table}' unique any more`,
        related: position ? [{ ...position, message: 'the key is created here' }] : [],
      }
    }
  },
}

function droppedKeys(statement: ParsedStatement, moment: Moment): { table: string; name: string; start: number }[] {
  const { node, start } = statement
  if ('DropStmt' in node && node.DropStmt.removeType === 'OBJECT_INDEX')
    return (node.DropStmt.objects ?? []).flatMap((object) => {
      const name = typeKey('List' in object ? path(object.List.items) : [])
      const owner = indexOwner(name, moment.catalog)
      return owner && !moment.isNew(owner.table) ? [{ table: owner.table, name: owner.index.name, start }] : []
    })
  return existingSteps(statement, moment).flatMap(({ table, command, start: at }) =>
    command.subtype === 'AT_DropConstraint' ? [{ table, name: command.name ?? '', start: at }] : [],
  )
}

/** PostgreSQL's own names of keys: all that an excerpt tells. */
function isKeyName(name: string): boolean {
  return /_(pkey|key)$/.test(name)
}

/** Sorted; null for what is no whole unique key of plain columns. */
function keyColumns({ indexes }: Table, name: string): string[] | null {
  const index = indexes.get(name)
  if (!index?.unique || index.predicate !== null) return null
  return index.keys.flatMap(({ column }) => column ?? []).toSorted()
}

function same(a: readonly string[] | null, b: readonly string[]): boolean {
  return a !== null && a.length === b.length && a.every((column, n) => column === b[n])
}

/** Another key that the file gives the table is taken for its successor. */
function makesKey(statement: ParsedStatement, table: string): boolean {
  const { node } = statement
  if ('IndexStmt' in node)
    return node.IndexStmt.unique === true && isCalled(relationKey(node.IndexStmt.relation), table)
  return alterSteps(statement).some(
    (step) =>
      isCalled(step.table, table) && ['CONSTR_UNIQUE', 'CONSTR_PRIMARY'].includes(addedConstraint(step)?.contype ?? ''),
  )
}
