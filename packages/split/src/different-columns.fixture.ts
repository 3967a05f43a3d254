import type { MovedTable } from './model.ts'
import type { RowDigest } from './side.ts'

/** Key and name of each column that differs between rows that stand in the same order: `7 note`. */
export function differentColumns(
  { columns: named }: MovedTable,
  expected: readonly RowDigest[],
  found: readonly RowDigest[],
): string[] {
  return expected.flatMap(({ key, columns }, row) =>
    columns.flatMap((digest, at) => (digest === found[row]?.columns[at] ? [] : [`${key.join()} ${named[at]?.name}`])),
  )
}
