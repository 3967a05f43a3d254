import { dependentsOf, listed } from '../../destruction/dependents.ts'
import { droppedObjects } from '../../destruction/dropped-objects.ts'
import { existingSteps } from '../../locks/alter-steps.ts'
import { viewReadsColumn } from '../../history/view-columns.ts'
import type { LintRule } from '../../rule.ts'

export const dropCascade: LintRule = {
  id: 'drop-cascade',
  family: 'destruction',
  severity: 'error',
  effect: 'Whatever depends on it goes too, also what other teams made and what no file names.',
  instead: 'Drop or change what depends on it by name first, then drop it without CASCADE.',
  on: ['DropStmt', 'AlterTableStmt', 'DropOwnedStmt'],
  *check(statement, moment) {
    const { node } = statement
    if ('DropOwnedStmt' in node) {
      yield { object: null, message: 'everything that the role owns in this database is dropped, and its privileges' }
    }
    if ('DropStmt' in node && node.DropStmt.behavior === 'DROP_CASCADE') {
      for (const dropped of droppedObjects(statement, moment)) {
        if (dropped.kind === 'schema') continue
        const falling = dependentsOf(dropped, moment.catalog)
        const what = falling.length > 0 ? listed(falling) : 'whatever depends on it'
        yield { object: dropped.name, message: `${dropped.kind} '${dropped.name}' is dropped with ${what}` }
      }
    }
    for (const { table, command, start } of existingSteps(statement, moment)) {
      const { subtype, name = '', behavior } = command
      if (behavior !== 'DROP_CASCADE' || (subtype !== 'AT_DropColumn' && subtype !== 'AT_DropConstraint')) continue
      const kind = subtype === 'AT_DropColumn' ? 'column' : 'constraint'
      const views = [...moment.catalog.views].filter(([, view]) => viewReadsColumn(view, table, name, moment.catalog))
      const falling = kind === 'column' ? views.map(([owner]) => ({ what: `view '${owner}'`, owner })) : []
      yield {
        at: start,
        object: `${table}.${name}`,
        message: `${kind} '${name}' of '${table}' is dropped with ${falling.length > 0 ? listed(falling) : 'whatever depends on it'}`,
      }
    }
  },
}
