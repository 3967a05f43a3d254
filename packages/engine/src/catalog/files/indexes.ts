import type { Node } from '../../parse/parser.ts'
import { sqlTokens } from '../../parse/split-sql.ts'
import type { Index } from '../model.ts'
import { chooseName } from './choose-name.ts'
import { partitionsOf, type Fold } from './fold.ts'
import { relationName } from './names.ts'
import { qualify } from './qualify.ts'
import { forget } from './gone.ts'
import { indexKeys, isIndexNameTaken, indexNameParts } from './index-keys.ts'
import { relationOptions } from './relation-options.ts'
import { textBehind } from './source-text.ts'
import { inheritIndex } from './inheritance.ts'

export function createIndex(fold: Fold, node: Extract<Node, { IndexStmt: unknown }>['IndexStmt']): void {
  const { schema, key } = relationName(fold, node.relation)
  const table = fold.catalog.tables.get(key)
  const owner = table ?? fold.catalog.views.get(key)
  if (!owner) return
  const { text } = fold.statement
  // The list of keys is the first pair of parentheses behind ON; an index's quoted name cannot hold one that counts.
  const on = sqlTokens(text).find((token) => token.depth === 0 && token.text.toLowerCase() === 'on')
  const elements = node.indexParams ?? []
  const taken = (name: string) => isIndexNameTaken(fold, schema, name)
  const keys = indexKeys(fold, owner, elements, text.slice(on?.end ?? 0))
  const include = (node.indexIncludingParams ?? []).map((item) =>
    'IndexElem' in item ? (item.IndexElem.name ?? '') : '',
  )
  const name = node.idxname ?? chooseName(owner.name, indexNameParts({ keys, include }), 'idx', taken)
  if (node.idxname && taken(name)) return
  const where = node.whereClause ? textBehind(text, 'where') : null
  const index: Index = {
    name,
    unique: node.unique ?? false,
    fromConstraint: false,
    method: node.accessMethod ?? 'btree',
    keys,
    include,
    predicate: where === null ? null : qualify(fold, 'expression', where, key),
    nullsNotDistinct: node.nulls_not_distinct ?? false,
    options: relationOptions(node.options),
    valid: !(table && !node.relation?.inh && table.partitionKey),
    comment: null,
    position: fold.position,
  }
  forget(fold, `${schema}.${name}`)
  owner.indexes.set(name, index)
  if (table && node.relation?.inh)
    for (const partition of partitionsOf(fold.catalog, table)) inheritIndex(fold, partition, index, schema)
}
