import type { Catalog } from '../../../catalog/model.ts'
import { path } from '../../../parse/references.ts'
import { walkTree } from '../../../parse/walk.ts'
import { relationKey } from '../../history/names.ts'
import type { LintRule } from '../../rule.ts'

export const notInSubquery: LintRule = {
  id: 'not-in-subquery',
  family: 'structure',
  severity: 'warning',
  effect:
    'One null in the sub-query and the condition holds for no row at all; the planner cannot turn it into a join either.',
  instead: 'where not exists (select from .. where .. = ..)',
  *check({ node, start }, { catalog }) {
    const found: { at: number }[] = []
    walkTree([node], (tag, content) => {
      if (tag !== 'BoolExpr' || content['boolop'] !== 'NOT_EXPR') return
      const [argument] = content['args'] as { SubLink?: SubLink }[]
      const link = argument?.SubLink
      if (link?.subLinkType !== 'ANY_SUBLINK' || link.operName || isNeverNull(link, catalog)) return
      found.push({ at: link.location ?? start })
    })
    for (const { at } of found) yield { at, object: null, message: 'NOT IN with a sub-query that may give a null' }
  },
}

interface SubLink {
  readonly subLinkType?: string
  readonly operName?: unknown
  readonly location?: number
  readonly subselect?: { SelectStmt?: Select }
}

interface Select {
  readonly targetList?: { ResTarget?: { val?: { ColumnRef?: { fields?: unknown } } } }[]
  readonly fromClause?: { RangeVar?: { schemaname?: string; relname?: string } }[]
}

/** One column of one table, which is declared not null. */
function isNeverNull({ subselect }: SubLink, catalog: Catalog): boolean {
  const { targetList = [], fromClause = [] } = subselect?.SelectStmt ?? {}
  const relation = fromClause[0]?.RangeVar
  const column = path(targetList[0]?.ResTarget?.val?.ColumnRef?.fields).at(-1)
  if (fromClause.length !== 1 || !relation || column === undefined) return false
  return catalog.tables.get(relationKey(relation))?.columns.get(column)?.notNull === true
}
