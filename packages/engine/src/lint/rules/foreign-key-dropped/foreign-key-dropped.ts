import { isCalled, laterStatements } from '../../destruction/later-statements.ts'
import { addedConstraint, alterSteps, existingSteps } from '../../locks/alter-steps.ts'
import type { LintRule } from '../../rule.ts'

export const foreignKeyDropped: LintRule = {
  id: 'foreign-key-dropped',
  family: 'destruction',
  severity: 'warning',
  effect: 'Rows may point to what does not exist from then on, and what ON DELETE did no longer happens.',
  instead: 'Add the key that takes its place first (not valid, then validate), then drop the old one.',
  on: ['AlterTableStmt'],
  *check(statement, moment) {
    for (const { table, command, start } of existingSteps(statement, moment)) {
      const known = moment.catalog.tables.get(table)
      const key = known?.constraints.get(command.name ?? '')
      if (command.subtype !== 'AT_DropConstraint' || key?.kind !== 'foreign key' || !known) continue
      const target = moment.catalog.tables.get(key.references ?? '')
      if (!target) continue
      const others = [...known.constraints.values()].filter(({ name }) => name !== key.name)
      if (
        others.some(({ kind, columns }) => kind === 'foreign key' && columns.some((own) => key.columns.includes(own)))
      )
        continue
      const later = [statement, ...laterStatements(statement, moment.file)].flatMap(alterSteps)
      const isReplaced = later.some(
        (step) =>
          isCalled(step.table, table) &&
          (addedConstraint(step)?.contype === 'CONSTR_FOREIGN' || dropsOneOf(step.command, key.columns)),
      )
      if (isReplaced) continue
      yield {
        at: start,
        object: table,
        message: `nothing keeps ${key.columns.map((column) => `'${column}'`).join(', ')} of '${table}' pointing to '${key.references}' any more`,
        related: key.position ? [{ ...key.position, message: 'the key is created here' }] : [],
      }
    }
  },
}

function dropsOneOf({ subtype, name = '' }: { subtype?: string; name?: string }, columns: readonly string[]): boolean {
  return subtype === 'AT_DropColumn' && columns.includes(name)
}
