import { quoteQualified } from '../../bundle/quote.ts'
import type { Index, IndexKey, Table } from '../../catalog/model.ts'
import { nameOf } from '../context.ts'
import { plainExpression } from '../expression.ts'
import { defineRule } from '../rule.ts'

export const redundantIndex = defineRule<{ table: Table; index: Index }>({
  id: 'redundant-index',
  family: 'structure',
  severity: 'warning',
  effect: 'Every write keeps two structures that answer the same questions; the cache holds both.',
  instead: 'Drop the shorter one (drop index concurrently), or say in a comment on it what it is for.',
  *subjects({ tables }) {
    for (const table of tables) {
      if (table.partitionOf !== null || table.indexes.size < 2) continue
      for (const index of table.indexes.values()) if (index.comment === null) yield { table, index }
    }
  },
  *check({ table, index }) {
    const others = [...table.indexes.values()]
    const other = others.find((own) => own !== index && replaces(own, index, others))
    if (!other) return
    const object = nameOf(table)
    const isSame = other.keys.length === index.keys.length
    const what = isSame ? `repeats ${other.name}` : `is the beginning of ${other.name}`
    yield {
      object,
      message: `index ${index.name} of ${object} ${what}`,
      position: index.position ?? table.position,
      related: [{ position: other.position, message: `${other.name} is made here` }],
      ...(index.fromConstraint ? {} : { fix: `drop index concurrently ${quoteQualified(table.schema, index.name)};` }),
    }
  },
})

/** Whether every question to `index`, and every promise that it makes, is the other's too. Of twins the later one goes. */
function replaces(other: Index, index: Index, all: readonly Index[]): boolean {
  if (!other.valid || other.method !== index.method || !samePredicate(other, index)) return false
  if (!index.keys.every((key, n) => sameKey(key, other.keys[n]))) return false
  const isSame = other.keys.length === index.keys.length
  if (!isSame && (index.method !== 'btree' || index.unique)) return false
  const held = [...other.keys.map((key) => key.column), ...other.include]
  if (!index.include.every((column) => held.includes(column))) return false
  if (index.unique && !(other.unique && other.nullsNotDistinct === index.nullsNotDistinct)) return false
  const isTwin = isSame && other.unique === index.unique && other.include.length === index.include.length
  if (!isTwin) return true
  if (other.fromConstraint !== index.fromConstraint) return other.fromConstraint
  return all.indexOf(other) < all.indexOf(index)
}

function samePredicate(a: Index, b: Index): boolean {
  return plainExpression(a.predicate ?? '') === plainExpression(b.predicate ?? '')
}

function sameKey(a: IndexKey, b: IndexKey | undefined): boolean {
  return (
    b !== undefined &&
    a.column === b.column &&
    plainExpression(a.expression ?? '') === plainExpression(b.expression ?? '') &&
    a.operatorClass === b.operatorClass &&
    a.collation === b.collation &&
    a.descending === b.descending &&
    a.nullsFirst === b.nullsFirst
  )
}
