import { viewReadsColumn } from '../../history/view-columns.ts'
import { alterSteps, type AlterStep } from '../../locks/alter-steps.ts'
import { columnReaders } from '../../locks/column-readers.ts'
import type { LintRule, Moment } from '../../rule.ts'

export const typeChangeUnderView: LintRule = {
  id: 'type-change-under-view',
  family: 'destruction',
  severity: 'error',
  effect:
    'PostgreSQL refuses ALTER COLUMN TYPE, even with the type that is there, for a column that a view, policy, trigger or generated column reads: the file fails.',
  instead: 'Drop what reads the column first and create it again behind the change, a view with its grants.',
  on: ['AlterTableStmt'],
  *check(statement, moment) {
    const steps = alterSteps(statement)
    for (const step of steps) {
      const { name = '', subtype } = step.command
      if (subtype !== 'AT_AlterColumnType' || !moment.catalog.tables.get(step.table)?.columns.has(name)) continue
      for (const { what, position } of readers(step.table, name, steps, moment)) {
        yield {
          at: step.start,
          object: `${step.table}.${name}`,
          message: `the type of '${name}' changes, but ${what} reads it`,
          related: position ? [{ ...position, message: 'created here' }] : [],
        }
      }
    }
  },
}

function readers(table: string, column: string, steps: readonly AlterStep[], { catalog }: Moment) {
  const views = [...catalog.views]
    .filter(([, view]) => viewReadsColumn(view, table, column, catalog))
    .map(([name, { position }]) => ({ what: `view '${name}'`, position }))
  const others = columnReaders(catalog, table, column)
    .filter(({ kind, name }) => kind !== 'generated column' || !endsGenerated(name, steps))
    .map(({ kind, name, table: own, position }) => ({ what: `${kind} '${name}' of '${own}'`, position }))
  return [...views, ...others]
}

/** DROP COLUMN and DROP EXPRESSION run before all changes of types, wherever they stand in the statement. */
function endsGenerated(column: string, steps: readonly AlterStep[]): boolean {
  return steps.some(
    ({ command: { subtype = '', name } }) =>
      name === column && (subtype === 'AT_DropColumn' || subtype === 'AT_DropExpression'),
  )
}
