import { relationKey } from '../../history/names.ts'
import type { LintRule } from '../../rule.ts'

export const concurrentIndexIfNotExists: LintRule = {
  id: 'concurrent-index-if-not-exists',
  family: 'locks',
  severity: 'info',
  // imhotep migrate drops what it left behind itself; other tools do not.
  profile: 'style',
  effect:
    'When a build was interrupted, an invalid index of that name is there: the next run takes it for done, writers maintain it and no query uses it.',
  instead: 'drop index concurrently if exists NAME, then create index concurrently NAME.',
  on: ['IndexStmt'],
  *check({ node }) {
    if (!('IndexStmt' in node)) return
    const { concurrent, idxname = '', if_not_exists: isTolerant, relation } = node.IndexStmt
    if (!concurrent || !isTolerant) return
    yield {
      object: relationKey(relation),
      message: `IF NOT EXISTS passes by an invalid '${idxname}' that an interrupted build left`,
    }
  },
}
