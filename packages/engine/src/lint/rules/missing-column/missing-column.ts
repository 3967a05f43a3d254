import { fatesOf } from '../../history/fates.ts'
import type { LintRule } from '../../rule.ts'

export const missingColumn: LintRule = {
  id: 'missing-column',
  family: 'history',
  severity: 'error',
  effect: 'The history stops here: PostgreSQL does not know the column.',
  instead: 'Correct the name, or add the column before this statement.',
  *check(statement, moment) {
    for (const { use, fate } of fatesOf(statement, moment, 'later', 'never')) {
      if (use.kind !== 'column') continue
      const table = use.name.slice(0, use.name.lastIndexOf('.'))
      const position = moment.catalog.tables.get(table)?.position
      const related = []
      if (position) related.push({ ...position, message: 'the table is created here' })
      if (fate.state === 'later') related.push({ ...fate.creation, message: 'the column is added here, later' })
      yield {
        at: use.at,
        object: use.name,
        message: `${use.as} on column '${use.name}', which does not exist`,
        related,
      }
    }
  },
}
