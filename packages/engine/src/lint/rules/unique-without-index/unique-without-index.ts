import { quoteIdentifier } from '../../../bundle/quote.ts'
import { relationOptions } from '../../../catalog/files/relation-options.ts'
import { path } from '../../../parse/references.ts'
import {
  addedColumn,
  addedConstraint,
  columnConstraints,
  existingSteps,
  type ConstraintNode,
} from '../../locks/alter-steps.ts'
import { quoteKey } from '../../../print/sql-text.ts'
import type { LintRule } from '../../rule.ts'

const KEYS: Readonly<Record<string, string>> = { CONSTR_UNIQUE: 'unique', CONSTR_PRIMARY: 'primary key' }

export const uniqueWithoutIndex: LintRule = {
  id: 'unique-without-index',
  family: 'locks',
  severity: 'error',
  effect: 'Readers and writers wait until the whole index behind the constraint is built.',
  instead:
    'create unique index concurrently NAME .. in a file of its own, then add constraint NAME unique using index NAME.',
  on: ['AlterTableStmt'],
  *check(statement, moment) {
    for (const step of existingSteps(statement, moment)) {
      const constraint = addedConstraint(step)
      const kind = constraint && !constraint.indexname ? KEYS[constraint.contype ?? ''] : undefined
      const column = addedColumn(step, moment)
      const behind = column
        ? columnConstraints(column)
            .flatMap(({ contype }) => KEYS[contype ?? ''] ?? [])
            .at(0)
        : undefined
      const found = kind ?? behind
      if (found === undefined) continue
      const isPartitioned = moment.catalog.tables.get(step.table)?.partitionKey != null
      const ways = isPartitioned
        ? { related: [] }
        : column || !constraint || constraint.without_overlaps
          ? {}
          : { fix: sequence(step.table, found, constraint) }
      yield {
        at: step.start,
        object: step.table,
        message: `all that use '${step.table}' wait while the index of its new ${found === 'unique' ? 'unique constraint' : found} is built`,
        ...ways,
      }
    }
  },
}

function sequence(table: string, kind: string, constraint: ConstraintNode): string {
  const columns = path(constraint.keys)
  const usual = `${table.slice(table.indexOf('.') + 1)}_${kind === 'unique' ? `${columns.join('_')}_key` : 'pkey'}`
  const [on, name] = [quoteKey(table), quoteIdentifier(constraint.conname ?? usual)]
  return [
    `create unique index concurrently ${name} on ${on} ${list(columns)}${ofIndex(constraint)};`,
    '-- next file',
    `alter table ${on} add constraint ${name} ${kind} using index ${name}${ofConstraint(constraint)};`,
  ].join('\n')
}

/** What the index must say so that the constraint is the one that was asked for. */
function ofIndex({ including, nulls_not_distinct: isNullEqual, options, indexspace }: ConstraintNode): string {
  const [included, stored] = [path(including), relationOptions(options)]
  return [
    included.length > 0 ? ` include ${list(included)}` : '',
    isNullEqual ? ' nulls not distinct' : '',
    stored.length > 0 ? ` with (${stored.join(', ')})` : '',
    indexspace ? ` tablespace ${quoteIdentifier(indexspace)}` : '',
  ].join('')
}

function ofConstraint({ deferrable, initdeferred }: ConstraintNode): string {
  return `${deferrable ? ' deferrable' : ''}${initdeferred ? ' initially deferred' : ''}`
}

function list(columns: readonly string[]): string {
  return `(${columns.map(quoteIdentifier).join(', ')})`
}
