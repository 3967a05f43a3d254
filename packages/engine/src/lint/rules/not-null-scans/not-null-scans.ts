import { quoteIdentifier } from '../../../bundle/quote.ts'
import type { Table } from '../../../catalog/model.ts'
import { path } from '../../../parse/references.ts'
import { addedConstraint, droppedConstraints, existingSteps, type AlterStep } from '../../locks/alter-steps.ts'
import { isKnownNotNull } from '../../locks/known-checks.ts'
import { quoteKey } from '../../../print/sql-text.ts'
import type { LintRule, Moment } from '../../rule.ts'

export const notNullScans: LintRule = {
  id: 'not-null-scans',
  family: 'locks',
  severity: 'error',
  effect: 'Readers and writers wait while every row is looked at.',
  instead:
    'add constraint C check (COLUMN is not null) not valid; next file: validate constraint C; next file: set not null, and in a statement behind it drop constraint C, which proves that no row must be read. PostgreSQL 18 and later: add constraint C not null COLUMN not valid, then validate it.',
  on: ['AlterTableStmt'],
  *check(statement, moment) {
    for (const step of existingSteps(statement, moment)) {
      const table = moment.catalog.tables.get(step.table)
      for (const column of columnsScanned(step, table)) {
        const waiting = table?.columns.get(column)?.unvalidatedNotNull ?? null
        if (table && waiting === null && isProven(table, column, droppedConstraints(statement))) continue
        yield {
          at: step.start,
          object: `${step.table}.${column}`,
          message: `all that use '${step.table}' wait while every row is searched for a null in '${column}'`,
          fix:
            waiting === null ? sequence(step.table, column, moment) : validation(step.table, quoteIdentifier(waiting)),
        }
      }
    }
  },
}

/** PostgreSQL runs DROP CONSTRAINT before all else that the statement says: what it drops proves nothing any more. */
function isProven(table: Table, column: string, dropped: ReadonlySet<string>): boolean {
  return table.columns.get(column)?.notNull === true || isKnownNotNull(table, column, dropped)
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
  const [alter, key, name] = [
    `alter table ${quoteKey(table)}`,
    quoteIdentifier(column),
    quoteIdentifier(`${column}_not_null`),
  ]
  const what = serverVersion >= 18 ? `not null ${key}` : `check (${key} is not null)`
  const steps = [`${alter} add constraint ${name} ${what} not valid;`, '-- next file', validation(table, name)]
  if (serverVersion < 18)
    steps.push('-- next file', `${alter} alter column ${key} set not null;`, `${alter} drop constraint ${name};`)
  return steps.join('\n')
}

function validation(table: string, constraint: string): string {
  return `alter table ${quoteKey(table)} validate constraint ${constraint};`
}
