import type { Table } from '../../catalog/model.ts'

/** The first value that a check like `kind = ANY (ARRAY['a'::text, 'b'::text])` or `kind in ('a', 'b')` allows. */
export function listedValue(column: string, table: Table): string | null {
  for (const check of table.constraints.values()) {
    if (check.kind !== 'check' || !check.columns.includes(column)) continue
    const list = new RegExp(`\\(?"?${column}"?\\)?(?:::\\w+)? (?:= ANY \\(+ARRAY\\[|in \\()'((?:[^']|'')*)'`, 'i')
    const match = list.exec(check.definition)
    if (match?.[1] !== undefined) return match[1].replaceAll("''", "'")
  }
  return null
}
