import type { Row } from './model.ts'

/** Rows in parts that one statement can carry: at most so many, and together about so many characters. */
export function inParts<T>(
  items: readonly T[],
  limits: { rows: number; characters: number },
  rowOf: (item: T) => Row,
): T[][] {
  const parts: T[][] = []
  let part: T[] = []
  let characters = 0
  for (const item of items) {
    const length = charactersOf(rowOf(item))
    if (part.length > 0 && (part.length >= limits.rows || characters + length > limits.characters)) {
      parts.push(part)
      part = []
      characters = 0
    }
    part.push(item)
    characters += length
  }
  if (part.length > 0) parts.push(part)
  return parts
}

export function charactersOf(row: Row): number {
  return row.reduce<number>((sum, value) => sum + (value?.length ?? 0), 0)
}
