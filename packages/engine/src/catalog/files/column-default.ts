import { parseRaw, type Node } from '../../parse/parser.ts'
import type { Fold } from './fold.ts'
import { typeText } from './format-type.ts'
import { qualify } from './qualify.ts'

/** What PostgreSQL keeps of a column's default: a null that needs no function to become the column's type is none. */
export function columnDefault(fold: Fold, text: string, type: string): string | null {
  return isNoDefault(fold, text, type) ? null : qualify(fold, 'expression', text)
}

function isNoDefault(fold: Fold, text: string, type: string): boolean {
  // A length is imposed by a function, a domain by its checks.
  if (!/\bnull\b/i.test(text) || type.includes('(')) return false
  if (fold.catalog.types.get(type.replaceAll('"', ''))?.kind === 'domain') return false
  const value = nullOf(text)
  if (value === null) return false
  return value.type === undefined || typeText(fold, value.type) === type
}

type TypeName = NonNullable<Extract<Node, { TypeCast: unknown }>['TypeCast']['typeName']>

/** The type of a null that is written as `null` or `null::type`; null for any other expression. */
function nullOf(text: string): { type: TypeName | undefined } | null {
  const parsed = parseRaw(`select ${text}`)
  const [statement] = Array.isArray(parsed) ? parsed : []
  const select = statement && 'SelectStmt' in statement.node ? statement.node.SelectStmt : undefined
  const [target] = select?.targetList ?? []
  const value = target && 'ResTarget' in target ? target.ResTarget.val : undefined
  const inner = value && 'TypeCast' in value ? value.TypeCast.arg : value
  if (!inner || !('A_Const' in inner) || inner.A_Const.isnull !== true) return null
  return { type: value && 'TypeCast' in value ? value.TypeCast.typeName : undefined }
}
