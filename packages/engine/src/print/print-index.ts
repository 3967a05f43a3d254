import { quoteIdentifier } from '../bundle/quote.ts'
import type { Catalog, Index, IndexKey, Table, View } from '../catalog/model.ts'
import { unplaced, type UnplacedObject } from './printed-object.ts'
import { columnList, inParentheses, lowerCase, qualified, quoteKey, withOptions } from './sql-text.ts'

export function printIndex(catalog: Catalog, owner: Table | View, index: Index): UnplacedObject {
  const table = `${owner.schema}.${owner.name}`
  const place = { section: 'indexes', phase: 'materialized' in owner ? 'view indexes' : 'indexes' } as const
  // The index of a partitioned table takes over those that its partitions have, under their own names.
  const needs = [...catalog.tables.values()]
    .filter((other) => other.partitionOf === table)
    .map((partition) => indexesOf(`${partition.schema}.${partition.name}`))
  return unplaced(`index ${index.name} on ${table}`, owner.schema, place, [indexStatement(catalog, owner, index)], {
    defines: [`${owner.schema}.${index.name}`, indexesOf(table)],
    needs,
    owner: table,
  })
}

function indexesOf(table: string): string {
  return `indexes of ${table}`
}

export function indexStatement(
  catalog: Catalog,
  owner: Table | View,
  index: Index,
  options: { readonly concurrently?: boolean } = {},
): string {
  const words = [
    index.unique ? 'create unique index' : 'create index',
    ...(options.concurrently ? ['concurrently'] : []),
    quoteIdentifier(index.name),
    `on ${qualified(owner)}`,
    ...(index.method === 'btree' ? [] : [`using ${quoteIdentifier(index.method)}`]),
    `(${index.keys.map((key) => keyText(catalog, key)).join(', ')})`,
    ...(index.include.length > 0 ? [`include ${columnList(index.include)}`] : []),
    ...(index.nullsNotDistinct ? ['nulls not distinct'] : []),
    ...(index.options.length > 0 ? [withOptions(index.options).trim()] : []),
    ...(index.predicate === null ? [] : [`where ${inParentheses(lowerCase(index.predicate))}`]),
  ]
  return words.join(' ')
}

function keyText(catalog: Catalog, key: IndexKey): string {
  const subject = key.column === null ? expressionText(key.expression ?? '') : quoteIdentifier(key.column)
  return [
    subject,
    ...(key.collation === null ? [] : [`collate ${quoteKey(key.collation)}`]),
    ...(key.operatorClass === null ? [] : [operatorClass(catalog, key.operatorClass)]),
    ...(key.descending ? ['desc'] : []),
    ...(key.nullsFirst === key.descending ? [] : [key.nullsFirst ? 'nulls first' : 'nulls last']),
  ].join(' ')
}

/** A call may stand without parentheses, everything else needs them: more of them do no harm. */
function expressionText(expression: string): string {
  const text = lowerCase(expression)
  return /^[\w."]+\(/.test(text) && text.endsWith(')') && inParentheses(text) !== text
    ? `(${text})`
    : inParentheses(text)
}

/** Operator classes of well-known extensions: a catalog keeps their bare name. */
const FROM_EXTENSIONS: [RegExp, string][] = [
  [/^(gin|gist)_trgm_ops$/, 'pg_trgm'],
  [/^(vector|halfvec|sparsevec|bit)_\w+_ops$/, 'vector'],
  [/^(gist|spgist|brin|btree|hash)?_?(geometry|geography)_\w*ops\w*$/, 'postgis'],
  [/^gist__int(big)?_ops$|^gin__int_ops$/, 'intarray'],
  [/^gist_ltree_ops$|^gist__ltree_ops$|^ltree_ops$/, 'ltree'],
  [/^(gist|gin|btree|hash)_hstore_ops$/, 'hstore'],
  [/^citext_pattern_ops$/, 'citext'],
]

function operatorClass(catalog: Catalog, name: string): string {
  const extension = FROM_EXTENSIONS.find(([pattern]) => pattern.test(name))?.[1]
  const schema = extension === undefined ? undefined : catalog.extensions.get(extension)?.schema
  return schema === undefined ? quoteIdentifier(name) : qualified({ schema, name })
}
