import type { Edit } from './rule.ts'

/** The text with all edits made, from the end to the begin; of two that overlap the later one is left out. */
export function applyEdits(text: string, edits: readonly Edit[]): { text: string; made: number } {
  let result = text
  let free = Infinity
  let made = 0
  for (const { start, end, text: replacement } of edits.toSorted((a, b) => b.start - a.start)) {
    if (end > free) continue
    result = result.slice(0, start) + replacement + result.slice(end)
    free = start
    made += 1
  }
  return { text: result, made }
}
