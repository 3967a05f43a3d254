import { path } from '../../../parse/references.ts'
import { formatType } from '../../../catalog/files/format-type.ts'
import { addedColumn, columnConstraints, existingSteps, type ColumnNode } from '../../locks/alter-steps.ts'
import { volatileCall } from '../../locks/volatile-call.ts'
import type { LintRule, Moment } from '../../rule.ts'

export const columnRewritesTable: LintRule = {
  id: 'column-rewrites-table',
  family: 'locks',
  severity: 'error',
  effect: 'The whole table and all its indexes are written anew while readers and writers wait.',
  instead:
    'Add the column without a value, set its default in a second statement (it is for new rows), fill old rows in batches; in place of a stored generated column a trigger keeps it, or from PostgreSQL 18 on VIRTUAL.',
  on: ['AlterTableStmt'],
  *check(statement, moment) {
    for (const step of existingSteps(statement, moment)) {
      if (step.command.subtype === 'AT_SetExpression' && !isVirtual(step.table, step.command.name ?? '', moment)) {
        yield {
          at: step.start,
          object: `${step.table}.${step.command.name}`,
          message: `a new expression for '${step.command.name}' writes every row of '${step.table}' anew`,
        }
      }
      const column = addedColumn(step, moment)
      const reason = column ? reasonToRewrite(column, moment) : null
      if (!column || reason === null) continue
      yield {
        at: step.start,
        object: `${step.table}.${column.colname}`,
        message: `new column '${column.colname}' ${reason}: every row of '${step.table}' is written anew`,
      }
    }
  },
}

function isVirtual(table: string, column: string, { catalog }: Moment): boolean {
  return catalog.tables.get(table)?.columns.get(column)?.generated?.endsWith(' virtual') ?? false
}

const SERIAL = /^(small|big)?serial[248]?$/

/** Why a value must be computed for each row; null when PostgreSQL keeps one value for all of them. */
function reasonToRewrite(column: ColumnNode, { catalog }: Moment): string | null {
  const constraints = columnConstraints(column)
  const names = path(column.typeName?.names)
  if (names.length === 1 && SERIAL.test(names[0] ?? '')) return 'takes a number from a sequence'
  if (constraints.some(({ contype }) => contype === 'CONSTR_IDENTITY')) return 'takes a number from a sequence'
  const generated = constraints.find(({ contype }) => contype === 'CONSTR_GENERATED')
  if (generated) return generated.generated_kind === 's' ? 'is computed and stored' : null
  const value = constraints.find(({ contype }) => contype === 'CONSTR_DEFAULT')?.raw_expr
  const call = value ? volatileCall(value, catalog) : null
  if (call !== null) return `calls ${call}() for each row`
  const domain = catalog.types.get(formatType(column.typeName ?? {}))
  const isChecked = domain?.kind === 'domain' && (domain.notNull || domain.checks.length > 0)
  return isChecked ? `has a domain with a check` : null
}
