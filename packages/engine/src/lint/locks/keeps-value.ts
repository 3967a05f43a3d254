import { formatType } from '../../catalog/files/format-type.ts'
import { path } from '../../parse/references.ts'
import type { ColumnNode } from './alter-steps.ts'

/** Whether ALTER COLUMN TYPE has no USING, or one that says what PostgreSQL does anyway: the column, or its cast to the new type. */
export function keepsValue({ raw_default: using, typeName }: ColumnNode, column: string): boolean {
  if (!using) return true
  if ('ColumnRef' in using) return path(using.ColumnRef.fields).at(-1) === column
  if (!('TypeCast' in using)) return false
  const { arg, typeName: cast } = using.TypeCast
  const isColumn = arg !== undefined && 'ColumnRef' in arg && path(arg.ColumnRef.fields).at(-1) === column
  return isColumn && formatType(cast ?? {}) === formatType(typeName ?? {})
}
