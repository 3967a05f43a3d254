import type { LintedFile, LintRule } from '../../rule.ts'
import { relationKey } from '../../history/names.ts'
import { droppedObjects } from '../../destruction/dropped-objects.ts'

interface Before {
  readonly columns: readonly string[]
  /** It was not dropped: PostgreSQL compares the columns. */
  readonly isThere: boolean
}

/** Views that a file drops or replaces, as they were. */
const before = new WeakMap<LintedFile, Map<string, Before>>()

export const viewColumnsChanged: LintRule = {
  id: 'view-columns-changed',
  family: 'destruction',
  severity: 'error',
  effect:
    'CREATE OR REPLACE VIEW is refused when a column is missing or has another place; a view that is dropped and created again without it breaks the clients that read it.',
  instead:
    'Keep the old columns in their order and add new ones at the end; take columns away when no client reads them.',
  on: ['ViewStmt', 'DropStmt'],
  check(statement, moment) {
    const names =
      'ViewStmt' in statement.node
        ? [relationKey(statement.node.ViewStmt.view)]
        : droppedObjects(statement, moment).flatMap(({ kind, name }) => (kind === 'view' ? name : []))
    for (const name of names) {
      const view = moment.catalog.views.get(name)
      if (!view || view.columns.length === 0 || moment.isNew(name)) continue
      noted(moment.file).set(name, { columns: [...view.columns], isThere: 'ViewStmt' in statement.node })
    }
    return []
  },
  *checkAfter({ node }, moment) {
    if (!('ViewStmt' in node)) return
    const name = relationKey(node.ViewStmt.view)
    const was = noted(moment.file).get(name)
    const now = moment.catalog.views.get(name)?.columns ?? []
    noted(moment.file).delete(name)
    if (!was || now.length === 0) return
    const { columns, isThere } = was
    const lost = columns.filter((column) => !now.includes(column))
    const moved = isThere ? columns.find((column, n) => lost.length === 0 && now[n] !== column) : undefined
    if (lost.length > 0)
      yield { object: name, message: `view '${name}' loses ${lost.map((column) => `'${column}'`).join(', ')}` }
    if (moved !== undefined) yield { object: name, message: `column '${moved}' of view '${name}' has another place` }
  },
}

function noted(file: LintedFile): Map<string, Before> {
  const known = before.get(file) ?? new Map<string, Before>()
  before.set(file, known)
  return known
}
