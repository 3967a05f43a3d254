import type { Index } from '../../../catalog/model.ts'
import { formatType } from '../../../catalog/files/format-type.ts'
import { existingSteps } from '../../locks/alter-steps.ts'
import { keepsValue } from '../../locks/keeps-value.ts'
import { rebuildsIndexes, typeChange } from '../../locks/type-change.ts'
import type { LintRule } from '../../rule.ts'

export const typeChangeRebuildsIndex: LintRule = {
  id: 'type-change-rebuilds-index',
  family: 'locks',
  severity: 'warning',
  effect: 'The rows stay, but readers and writers wait while indexes on the column are built anew.',
  instead:
    'Drop the index concurrently before and create it concurrently behind the change, each in a file of its own; or add a new column.',
  on: ['AlterTableStmt'],
  *check(statement, moment) {
    for (const step of existingSteps(statement, moment)) {
      const { subtype, def, name = '' } = step.command
      const table = moment.catalog.tables.get(step.table)
      const before = table?.columns.get(name)?.type
      if (subtype !== 'AT_AlterColumnType' || !def || !('ColumnDef' in def) || !table || before === undefined) continue
      const after = formatType(def.ColumnDef.typeName ?? {})
      if (before === after || !keepsValue(def.ColumnDef, name)) continue
      // A rewrite builds all indexes, and another rule tells of it.
      if (typeChange(before, after, moment.catalog) !== 'none') continue
      for (const index of table.indexes.values()) {
        const isPlainKey = index.keys.some(({ column }) => column === name)
        if (!isPlainKey && !isMentioned(index, name)) continue
        if (isPlainKey && !isConditional(index) && !rebuildsIndexes(before, after, moment.catalog)) continue
        yield {
          at: step.start,
          object: `${step.table}.${name}`,
          message: `'${name}' goes from ${before} to ${after}: index '${index.name}' of '${step.table}' is built anew`,
          related: index.position ? [{ ...index.position, message: 'the index is created here' }] : [],
        }
      }
    }
  },
}

/** PostgreSQL keeps no index over an expression or with a condition when a column that it reads changes. */
function isConditional({ keys, predicate }: Index): boolean {
  return predicate !== null || keys.some(({ expression }) => expression !== null)
}

function isMentioned({ keys, predicate }: Index, column: string): boolean {
  const texts = [predicate ?? '', ...keys.map(({ expression }) => expression ?? '')]
  return texts.some((text) => text.split(/[^\p{L}\p{N}_$]+/u).includes(column))
}
