import { quoteIdentifier, quoteLiteral } from '../bundle/quote.ts'
import type { Publication } from '../catalog/model.ts'
import { unplaced, type UnplacedObject } from './printed-object.ts'
import { columnList, inParentheses, lowerCase, quoteKey } from './sql-text.ts'

export function printPublication(publication: Publication): UnplacedObject {
  const place = { section: 'other', phase: 'other' } as const
  return unplaced(`publication ${publication.name}`, '', place, [publicationStatement(publication)])
}

const EVERYTHING = 'delete, insert, truncate, update'

export function publicationStatement(publication: Publication): string {
  const tables = publication.tables.map(
    ({ table, columns, where }) =>
      `table only ${quoteKey(table)}${columns ? ` ${columnList(columns)}` : ''}${where === null ? '' : ` where ${inParentheses(lowerCase(where))}`}`,
  )
  const schemas = publication.schemas.map((schema) => `tables in schema ${quoteIdentifier(schema)}`)
  const parts = publication.allTables ? ['all tables'] : [...tables, ...schemas]
  const publishes = publication.publishes.join(', ')
  const options = [
    ...(publishes === EVERYTHING ? [] : [`publish = ${quoteLiteral(publishes)}`]),
    ...(publication.viaRoot ? ['publish_via_partition_root = true'] : []),
  ]
  return [
    `create publication ${quoteIdentifier(publication.name)}`,
    ...(parts.length > 0 ? [`for ${parts.join(', ')}`] : []),
    ...(options.length > 0 ? [`with (${options.join(', ')})`] : []),
  ].join(' ')
}
