import type { Node } from '../../parse/parser.ts'
import { path } from '../../parse/references.ts'

/** The name that PostgreSQL gives to an unnamed column (FigureColname). */
export function derivedName(value: Node | undefined): string {
  if (!value) return '?column?'
  if ('ColumnRef' in value) return path(value.ColumnRef.fields).at(-1) ?? '?column?'
  if ('FuncCall' in value) return path(value.FuncCall.funcname).at(-1) ?? '?column?'
  if ('TypeCast' in value) {
    const inner = derivedName(value.TypeCast.arg)
    return inner === '?column?' ? (path(value.TypeCast.typeName?.names).at(-1) ?? inner) : inner
  }
  if ('CaseExpr' in value) {
    const otherwise = derivedName(value.CaseExpr.defresult)
    return otherwise === '?column?' ? 'case' : otherwise
  }
  if ('CoalesceExpr' in value) return 'coalesce'
  if ('CollateClause' in value) return derivedName(value.CollateClause.arg)
  if ('A_ArrayExpr' in value) return 'array'
  if ('RowExpr' in value) return 'row'
  if ('A_Indirection' in value) {
    const field = path(value.A_Indirection.indirection).at(-1)
    return field ?? derivedName(value.A_Indirection.arg)
  }
  if ('MinMaxExpr' in value) return value.MinMaxExpr.op === 'IS_GREATEST' ? 'greatest' : 'least'
  if ('SubLink' in value) return sublinkName(value.SubLink)
  if ('A_Expr' in value && value.A_Expr.kind === 'AEXPR_NULLIF') return 'nullif'
  if ('SQLValueFunction' in value) {
    return String(value.SQLValueFunction.op).replace('SVFOP_', '').replace(/_N$/, '').toLowerCase()
  }
  return '?column?'
}

function sublinkName(link: Extract<Node, { SubLink: unknown }>['SubLink']): string {
  if (link.subLinkType === 'EXISTS_SUBLINK') return 'exists'
  if (link.subLinkType === 'ARRAY_SUBLINK') return 'array'
  const select = link.subselect && 'SelectStmt' in link.subselect ? link.subselect.SelectStmt : undefined
  const [target] = select?.targetList ?? []
  if (link.subLinkType !== 'EXPR_SUBLINK' || !target || !('ResTarget' in target)) return '?column?'
  return target.ResTarget.name ?? derivedName(target.ResTarget.val)
}
