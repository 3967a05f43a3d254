import { relationKey } from '../../history/names.ts'
import { insertWord } from '../../locks/insert-word.ts'
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
    const hasKey = !view || [...view.indexes.values()].some(({ unique, predicate }) => unique && predicate === null)
    const fix = statement.text.replace(/^refresh\s+materialized\s+view\b/i, '$& concurrently')
    yield {
      object: name,
      message: skipData
        ? `readers of '${name}' fail until it is filled again`
        : `readers of '${name}' wait while it is filled${hasKey ? '' : ', and it has no unique index'}`,
      ...(skipData || !hasKey
        ? {}
        : { ...insertWord(statement, /^refresh\s+materialized\s+view\b/i, 'concurrently'), fix }),
    }
  },
}
