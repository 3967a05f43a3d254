import type { Node } from '../../parse/parser.ts'
import { withAttributes, type ColumnDefNode } from './columns.ts'
import type { ConstraintNode } from './constraints.ts'

/**
 * The elements of a CREATE TABLE, each key said once: of those that say the same PostgreSQL keeps the primary key, else
 * the first, under the first name that one of them has. The others stay in their place, as nothing.
 */
export function mergeKeys(elements: readonly Node[]): Node[] {
  const keys = elements.flatMap(keysOf)
  const kept = new Map<string, ConstraintNode>()
  const changes = new Map<ConstraintNode, ConstraintNode>()
  const isPrimary = ({ node }: Key) => node.contype === 'CONSTR_PRIMARY'
  for (const { node, essence } of [...keys.filter(isPrimary), ...keys.filter((own) => !isPrimary(own))]) {
    const prior = kept.get(essence)
    if (!prior) {
      kept.set(essence, node)
      continue
    }
    changes.set(node, { ...node, contype: 'CONSTR_NULL' })
    const conname = (changes.get(prior) ?? prior).conname ?? node.conname
    if (conname !== undefined) changes.set(prior, { ...prior, conname })
  }
  return changes.size === 0 ? [...elements] : elements.map((element) => withChanges(element, changes))
}

interface Key {
  readonly node: ConstraintNode
  /** Two keys say the same when this is the same. */
  readonly essence: string
}

function keysOf(element: Node): Key[] {
  if ('Constraint' in element) return keyOf(element.Constraint, element.Constraint)
  if (!('ColumnDef' in element)) return []
  const { colname = '', constraints = [] } = element.ColumnDef
  const nodes = constraints.flatMap((item) => ('Constraint' in item ? item.Constraint : []))
  return nodes.flatMap((node, n) => keyOf(node, { ...withAttributes(nodes, n), keys: [{ String: { sval: colname } }] }))
}

/** `meant` is the constraint as it would stand behind the columns. */
function keyOf(node: ConstraintNode, meant: ConstraintNode): Key[] {
  if (!['CONSTR_PRIMARY', 'CONSTR_UNIQUE', 'CONSTR_EXCLUSION'].includes(node.contype ?? '')) return []
  const { keys, including, exclusions, where_clause, access_method, without_overlaps } = meant
  const { nulls_not_distinct = false, deferrable = false, initdeferred = false } = meant
  const parts = [keys, including, exclusions, where_clause, access_method, without_overlaps]
  const essence = JSON.stringify([...parts, nulls_not_distinct, deferrable, initdeferred], (name, value: unknown) =>
    name === 'location' ? undefined : value,
  )
  return [{ node, essence }]
}

function withChanges(element: Node, changes: ReadonlyMap<ConstraintNode, ConstraintNode>): Node {
  const changed = (item: Node): Node =>
    'Constraint' in item ? { Constraint: changes.get(item.Constraint) ?? item.Constraint } : item
  if (!('ColumnDef' in element)) return changed(element)
  const { ColumnDef: column } = element
  return column.constraints ? { ColumnDef: { ...column, constraints: column.constraints.map(changed) } } : element
}

/** A column that is added, its keys said once. */
export function withMergedKeys(column: ColumnDefNode): ColumnDefNode {
  const [element] = mergeKeys([{ ColumnDef: column }])
  return element && 'ColumnDef' in element ? element.ColumnDef : column
}
