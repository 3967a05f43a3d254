import type { Table } from '../../../catalog/model.ts'
import { path } from '../../../parse/references.ts'
import { addedConstraint, existingSteps, type AlterStep } from '../../locks/alter-steps.ts'
import { isKnownNotNull } from '../../locks/known-checks.ts'
import type { LintRule, Moment } from '../../rule.ts'

export const notNullScans: LintRule = {
  id: 'not-null-scans',
  family: 'locks',
  severity: 'error',
  effect: 'Readers and writers wait while every row is looked at.',
  instead:
    'add constraint C check (COLUMN is not null) not valid; next file: validate constraint C; next file: set not null, drop constraint C. PostgreSQL 18 and later: add constraint C not null COLUMN not valid, then validate it.',
  on: ['AlterTableStmt'],
  *check(statement, moment) {
    for (const step of existingSteps(statement, moment)) {
      const table = moment.catalog.tables.get(step.table)
      for (const column of columnsScanned(step, table)) {
        if (table && (table.columns.get(column)?.notNull || isKnownNotNull(table, column))) continue
        yield {
          at: step.start,
          object: `${step.table}.${column}`,
          message: `all that use '${step.table}' wait while every row is searched for a null in '${column}'`,
          fix: sequence(step.table, column, moment),
        }
      }
    }
  },
}

/** Columns that must hold no null behind this command. */
function columnsScanned(step: AlterStep, table: Table | undefined): string[] {
  if (step.command.subtype === 'AT_SetNotNull') return [step.command.name ?? '']
  const constraint = addedConstraint(step)
  if (constraint?.contype === 'CONSTR_NOTNULL') return constraint.skip_validation ? [] : path(constraint.keys)
  // A primary key over an index makes its columns not null.
  if (constraint?.contype !== 'CONSTR_PRIMARY' || !constraint.indexname) return []
  return (table?.indexes.get(constraint.indexname)?.keys ?? []).flatMap(({ column }) => column ?? [])
}

function sequence(table: string, column: string, { serverVersion }: Moment): string {
  const name = `${column}_not_null`
  const what = serverVersion >= 18 ? `not null ${column}` : `check (${column} is not null)`
  const steps = [
    `alter table ${table} add constraint ${name} ${what} not valid;`,
    '-- next file',
    `alter table ${table} validate constraint ${name};`,
  ]
  if (serverVersion < 18)
    steps.push('-- next file', `alter table ${table} alter column ${column} set not null, drop constraint ${name};`)
  return steps.join('\n')
}
