import { relationKey } from '../../history/names.ts'
import { insertWord } from '../../locks/insert-word.ts'
import { tellsRowsApart } from '../../locks/tells-rows-apart.ts'
import type { LintRule } from '../../rule.ts'

export const refreshNotConcurrent: LintRule = {
  id: 'refresh-not-concurrent',
  family: 'locks',
  severity: 'warning',
  effect: 'Readers of the view wait until its whole query has run.',
  instead: 'refresh materialized view concurrently .., which needs a unique index over columns of the view.',
  on: ['RefreshMatViewStmt'],
  *check(statement, moment) {
    if (!('RefreshMatViewStmt' in statement.node)) return
    const { relation, concurrent, skipData } = statement.node.RefreshMatViewStmt
    const name = relationKey(relation)
    const view = moment.catalog.views.get(name)
    // One that was never filled has no readers, and PostgreSQL cannot refresh it concurrently.
    if (concurrent || moment.isNew(name) || view?.withData === false) return
    const hasKey = view !== undefined && [...view.indexes.values()].some(tellsRowsApart)
    const fix = statement.text.replace(/^refresh\s+materialized\s+view\b/i, '$& concurrently')
    yield {
      object: name,
      message: skipData
        ? `readers of '${name}' fail until it is filled again`
        : `readers of '${name}' wait while it is filled${hasKey || !view ? '' : ', and it has no unique index over columns'}`,
      ...(skipData || (view && !hasKey) ? {} : { fix }),
      // Of a view that is not known it cannot be said whether PostgreSQL would refuse.
      ...(skipData || !hasKey ? {} : insertWord(statement, /^refresh\s+materialized\s+view\b/i, 'concurrently')),
    }
  },
}
