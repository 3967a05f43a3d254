import type { Column, Index, IndexKey } from '../../../catalog/model.ts'
import { formatType } from '../../../catalog/files/format-type.ts'
import { path } from '../../../parse/references.ts'
import { existingSteps, type ColumnNode } from '../../locks/alter-steps.ts'
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
      const column = table?.columns.get(name)
      if (subtype !== 'AT_AlterColumnType' || !def || !('ColumnDef' in def) || !table || !column) continue
      const [before, after] = [column.type, formatType(def.ColumnDef.typeName ?? {})]
      if (!keepsValue(def.ColumnDef, name)) continue
      // A rewrite builds all indexes, and another rule tells of it.
      if (typeChange(before, after, moment.catalog) !== 'none') continue
      const keepsCollation = isCollation(def.ColumnDef, column)
      for (const index of table.indexes.values()) {
        const keys = index.keys.filter((key) => key.column === name)
        if (keys.length === 0 && !isMentioned(index, name)) continue
        const isSorted = !rebuildsIndexes(before, after, moment.catalog) && (keepsCollation || hasOwnCollation(keys))
        if (keys.length > 0 && !isConditional(index) && isSorted) continue
        yield {
          at: step.start,
          object: `${step.table}.${name}`,
          message: `'${name}' goes from ${before} to ${after}${keepsCollation ? '' : ' and another collation'}: index '${index.name}' of '${step.table}' is built anew`,
          related: index.position ? [{ ...index.position, message: 'the index is created here' }] : [],
        }
      }
    }
  },
}

/** Whether the new type has the collation that the column has; without COLLATE it is the type's own. */
function isCollation({ collClause }: ColumnNode, { collation }: Column): boolean {
  const names = path(collClause?.collname)
  const name = names.at(-1) ?? 'default'
  if (name === 'default' || collation === null) return name === 'default' && collation === null
  return names.length > 1 ? names.join('.') === collation : collation.slice(collation.indexOf('.') + 1) === name
}

function hasOwnCollation(keys: readonly IndexKey[]): boolean {
  return keys.every(({ collation }) => collation !== null)
}

/** PostgreSQL keeps no index over an expression or with a condition when a column that it reads changes. */
function isConditional({ keys, predicate }: Index): boolean {
  return predicate !== null || keys.some(({ expression }) => expression !== null)
}

function isMentioned({ keys, predicate }: Index, column: string): boolean {
  const texts = [predicate ?? '', ...keys.map(({ expression }) => expression ?? '')]
  return texts.some((text) => text.split(/[^\p{L}\p{N}_$]+/u).includes(column))
}
