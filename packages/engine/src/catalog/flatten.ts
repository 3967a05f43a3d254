import { isLocationKey } from '../parse/parse-sql.ts'

type Tree = Record<string, unknown>

/**
 * A parse tree without positions, with AND inside AND and OR inside OR as one list, and without the names of columns in
 * the later parts of a UNION, which have no meaning.
 */
export function flatten(value: unknown, isLaterPart = false): unknown {
  if (Array.isArray(value)) return value.map((item) => flatten(item, isLaterPart))
  if (typeof value !== 'object' || value === null) return value
  const tree: Tree = {}
  for (const [key, child] of Object.entries(value as Tree)) {
    if (isLocationKey(key)) continue
    if (key === 'targetList' && isLaterPart && Array.isArray(child)) tree[key] = child.map(withoutName)
    else tree[key] = flatten(child, key === 'rarg' || (key === 'larg' && isLaterPart))
  }
  return withoutNesting(tree)
}

function withoutName(target: { ResTarget?: Tree }): unknown {
  return flatten(target.ResTarget?.['val'])
}

function withoutNesting(tree: Tree): Tree {
  const own = tree['BoolExpr'] as Tree | undefined
  if (own === undefined || !Array.isArray(own['args']) || own['boolop'] === 'NOT_EXPR') return tree
  const args = own['args'].flatMap((argument: { BoolExpr?: { boolop: string; args: unknown[] } }) => {
    const inner = argument.BoolExpr
    return inner && inner.boolop === own['boolop'] ? inner.args : [argument]
  })
  return { BoolExpr: { ...own, args } }
}
