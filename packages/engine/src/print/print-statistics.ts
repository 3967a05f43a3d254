import { quoteIdentifier } from '../bundle/quote.ts'
import type { Catalog, Statistics } from '../catalog/model.ts'
import { unplaced, type UnplacedObject } from './printed-object.ts'
import { inParentheses, lowerCase, qualified, quoteKey } from './sql-text.ts'

export function printStatistics(catalog: Catalog, statistics: Statistics): UnplacedObject {
  const object = `statistics ${statistics.schema}.${statistics.name}`
  const place = { section: 'other', phase: 'rules' } as const
  return unplaced(object, statistics.schema, place, [statisticsStatement(catalog, statistics)])
}

export function statisticsStatement(catalog: Catalog, statistics: Statistics): string {
  const columns = catalog.tables.get(statistics.table)?.columns
  const expressions = statistics.expressions.map((text) =>
    columns?.has(text) ? quoteIdentifier(text) : inParentheses(lowerCase(text)),
  )
  const kinds = statistics.kinds.length > 0 ? ` (${statistics.kinds.join(', ')})` : ''
  return `create statistics ${qualified(statistics)}${kinds} on ${expressions.join(', ')} from ${quoteKey(statistics.table)}`
}
