import { formatType } from '../../../catalog/files/format-type.ts'
import { existingSteps } from '../../locks/alter-steps.ts'
import { keepsValue } from '../../locks/keeps-value.ts'
import { typeChange } from '../../locks/type-change.ts'
import type { LintRule } from '../../rule.ts'

export const typeChangeRewrites: LintRule = {
  id: 'type-change-rewrites',
  family: 'locks',
  severity: 'error',
  effect: 'The whole table and all its indexes are written anew while readers and writers wait.',
  instead:
    'Add a column of the new type, keep it in step with a trigger, fill old rows in batches, let the code read it, then drop the old one.',
  on: ['AlterTableStmt'],
  *check(statement, moment) {
    for (const step of existingSteps(statement, moment)) {
      const { subtype, def, name = '' } = step.command
      if (subtype !== 'AT_AlterColumnType' || !def || !('ColumnDef' in def)) continue
      const before = moment.catalog.tables.get(step.table)?.columns.get(name)?.type
      const after = formatType(def.ColumnDef.typeName ?? {})
      // Without the column's definition only a target that nearly all texts turn into is taken to be safe.
      if (before === undefined && (after === 'text' || after === 'character varying')) continue
      const isPlain = keepsValue(def.ColumnDef, name)
      const change = before === undefined ? 'rewrite' : typeChange(before, after, moment.catalog)
      if (isPlain && (change === 'none' || change === 'unknown')) continue
      const how = before === undefined ? `to ${after}` : `from ${before} to ${after}`
      const why = isPlain ? '' : ' by an expression'
      const zone = isPlain && change === 'zone' ? " unless the session's time zone is UTC" : ''
      yield {
        at: step.start,
        object: `${step.table}.${name}`,
        message: `'${name}' goes ${how}${why}: every row of '${step.table}' is written anew${zone}`,
      }
    }
  },
}
