import { path } from '../../../parse/references.ts'
import { formatType } from '../../../catalog/files/format-type.ts'
import { addedColumn, columnConstraints, existingSteps, type ColumnNode } from '../../locks/alter-steps.ts'
import type { LintRule, Moment } from '../../rule.ts'

export const requiredColumnAdded: LintRule = {
  id: 'required-column-added',
  family: 'destruction',
  severity: 'error',
  effect:
    'The file fails when the table has a row; on an empty table running clients that insert without the column fail.',
  instead:
    'Give it a default, or add it without NOT NULL, let the code write it, fill old rows in batches, then make it not null.',
  on: ['AlterTableStmt'],
  *check(statement, moment) {
    for (const step of existingSteps(statement, moment)) {
      const column = addedColumn(step, moment)
      if (!column || !isRequired(column, moment)) continue
      yield {
        at: step.start,
        object: `${step.table}.${column.colname}`,
        message: `new column '${column.colname}' of '${step.table}' must not be null and has no default`,
      }
    }
  },
}

const SERIAL = /^(small|big)?serial[248]?$/
const VALUES = new Set(['CONSTR_DEFAULT', 'CONSTR_GENERATED', 'CONSTR_IDENTITY'])

function isRequired(column: ColumnNode, { catalog }: Moment): boolean {
  const constraints = columnConstraints(column)
  const names = path(column.typeName?.names)
  if (names.length === 1 && SERIAL.test(names[0] ?? '')) return false
  const domain = catalog.types.get(formatType(column.typeName ?? {}))
  const value = constraints.find(({ contype }) => VALUES.has(contype ?? ''))
  const isNull = value?.contype === 'CONSTR_DEFAULT' && isNullConstant(value.raw_expr)
  if ((value && !isNull) || (!value && domain?.default != null)) return false
  return (
    domain?.notNull === true ||
    constraints.some(({ contype }) => contype === 'CONSTR_NOTNULL' || contype === 'CONSTR_PRIMARY')
  )
}

function isNullConstant(node: object | undefined): boolean {
  return node !== undefined && 'A_Const' in node && (node.A_Const as { isnull?: boolean }).isnull === true
}
