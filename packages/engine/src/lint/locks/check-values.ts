import { parseRaw } from '../../parse/parser.ts'
import { path } from '../../parse/references.ts'
import type { Node } from '../../parse/parser.ts'

export interface CheckValues {
  readonly column: string
  readonly values: readonly string[]
}

/** The values that a check allows a column: `c in ('a', 'b')`, `c = any (array['a', 'b'])`, `c = 'a' or c = 'b'`. Null for another check. */
export function checkValues(expression: Node | undefined): CheckValues | null {
  if (!expression) return null
  if ('BoolExpr' in expression) {
    if (expression.BoolExpr.boolop !== 'OR_EXPR') return null
    const parts = (expression.BoolExpr.args ?? []).map(checkValues)
    const [first] = parts
    if (!first || parts.some((part) => part?.column !== first.column)) return null
    return { column: first.column, values: parts.flatMap((part) => part?.values ?? []) }
  }
  if (!('A_Expr' in expression)) return null
  const { kind, name, lexpr, rexpr } = expression.A_Expr
  if (path(name).at(-1) !== '=') return null
  const column = columnName(lexpr)
  if (column === null) return null
  if (kind === 'AEXPR_OP') return constants(column, rexpr ? [rexpr] : [])
  if (kind === 'AEXPR_IN' && rexpr && 'List' in rexpr) return constants(column, rexpr.List.items ?? [])
  if (kind !== 'AEXPR_OP_ANY' || !rexpr) return null
  const array = 'TypeCast' in rexpr ? rexpr.TypeCast.arg : rexpr
  return array && 'A_ArrayExpr' in array ? constants(column, array.A_ArrayExpr.elements ?? []) : null
}

/** The same for the definition of a constraint: `CHECK (c in ('a', 'b'))`. */
export function definedValues(definition: string): CheckValues | null {
  const [first, ...others] = checkConditions(definition)
  return others.length === 0 ? checkValues(first) : null
}

/** The conditions of a check that must all hold. */
export function checkConditions(definition: string): Node[] {
  const [, text] = /^check\s*\((.*)\)/is.exec(definition) ?? []
  const parsed = text === undefined ? null : parseRaw(`select ${text}`)
  const node = Array.isArray(parsed) ? parsed[0]?.node : undefined
  const target = node && 'SelectStmt' in node ? node.SelectStmt.targetList?.[0] : undefined
  return target && 'ResTarget' in target && target.ResTarget.val ? conjuncts(target.ResTarget.val) : []
}

function conjuncts(node: Node): Node[] {
  if (!('BoolExpr' in node) || node.BoolExpr.boolop !== 'AND_EXPR') return [node]
  return (node.BoolExpr.args ?? []).flatMap(conjuncts)
}

/** The column of `c` or `c::text`. */
export function columnName(node: Node | undefined): string | null {
  const plain = node && 'TypeCast' in node ? node.TypeCast.arg : node
  return plain && 'ColumnRef' in plain ? (path(plain.ColumnRef.fields).at(-1) ?? null) : null
}

function constants(column: string, nodes: readonly Node[]): CheckValues | null {
  const values = nodes.map(constantText)
  return values.includes(null) ? null : { column, values: values.flatMap((value) => value ?? []) }
}

/** A literal as text, without its cast; null for what is none. */
export function constantText(node: Node | undefined): string | null {
  const plain = node && 'TypeCast' in node ? node.TypeCast.arg : node
  if (!plain || !('A_Const' in plain)) return null
  const { sval, ival, fval } = plain.A_Const
  return sval ? (sval.sval ?? '') : ival ? String(ival.ival ?? 0) : (fval?.fval ?? null)
}
