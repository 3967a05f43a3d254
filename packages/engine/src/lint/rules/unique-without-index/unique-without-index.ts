import { addedColumn, addedConstraint, columnConstraints, existingSteps } from '../../locks/alter-steps.ts'
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
        : column || !constraint
          ? {}
          : { fix: sequence(step.table, found, constraint.conname, constraint.keys) }
      yield {
        at: step.start,
        object: step.table,
        message: `all that use '${step.table}' wait while the index of its new ${found === 'unique' ? 'unique constraint' : found} is built`,
        ...ways,
      }
    }
  },
}

function sequence(table: string, kind: string, name: string | undefined, keys: readonly object[] = []): string {
  const columns = keys.flatMap((key) => ('String' in key ? ((key.String as { sval?: string }).sval ?? []) : []))
  const index = name ?? `${table.split('.')[1]}_${kind === 'unique' ? `${columns.join('_')}_key` : 'pkey'}`
  return [
    `create unique index concurrently ${index} on ${table} (${columns.join(', ')});`,
    '-- next file',
    `alter table ${table} add constraint ${index} ${kind} using index ${index};`,
  ].join('\n')
}
