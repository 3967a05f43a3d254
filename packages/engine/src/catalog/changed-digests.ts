import type { OtherObject } from './model.ts'

/** The names of the values that differ, sorted; the values themselves nobody can tell. */
export function changedDigests(left: OtherObject['digests'], right: OtherObject['digests']): string[] {
  const [before, after] = [left ?? {}, right ?? {}]
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].toSorted()
  return names.filter((name) => before[name] !== after[name])
}
