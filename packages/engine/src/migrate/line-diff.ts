const CONTEXT = 3

interface Edit {
  readonly sign: ' ' | '-' | '+'
  readonly text: string
}

/**
 * The difference of two texts as a unified diff with three lines of context, empty when their lines are equal.
 * Line ends (CRLF or LF) do not count.
 */
export function unifiedDiff(before: string, after: string, names: { before: string; after: string }): string {
  const edits = diffLines(before.split(/\r?\n/), after.split(/\r?\n/))
  const hunks = hunksOf(edits)
  if (hunks.length === 0) return ''
  return [`--- ${names.before}`, `+++ ${names.after}`, ...hunks].join('\n')
}

function diffLines(before: string[], after: string[]): Edit[] {
  let head = 0
  while (head < before.length && head < after.length && before[head] === after[head]) head++
  let tail = 0
  const longest = Math.min(before.length, after.length) - head
  while (tail < longest && before[before.length - 1 - tail] === after[after.length - 1 - tail]) tail++

  return [
    ...withSign(' ', before.slice(0, head)),
    ...diffMiddle(before.slice(head, before.length - tail), after.slice(head, after.length - tail)),
    ...withSign(' ', before.slice(before.length - tail)),
  ]
}

function withSign(sign: Edit['sign'], lines: string[]): Edit[] {
  return lines.map((text) => ({ sign, text }))
}

/** Beyond this many cells of the table the middle is shown as removed and added as a whole. */
const MOST_CELLS = 4_000_000

/** Longest common subsequence by dynamic programming: edits are small, the rest was cut off at both ends. */
function diffMiddle(before: string[], after: string[]): Edit[] {
  const width = after.length + 1
  if (before.length * after.length > MOST_CELLS) {
    return [...withSign('-', before), ...withSign('+', after)]
  }

  const longest = new Uint32Array((before.length + 1) * width)
  const at = (i: number, j: number) => longest[i * width + j] ?? 0
  for (let i = before.length - 1; i >= 0; i--) {
    for (let j = after.length - 1; j >= 0; j--) {
      longest[i * width + j] = before[i] === after[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1))
    }
  }

  const edits: Edit[] = []
  let [i, j] = [0, 0]
  while (i < before.length || j < after.length) {
    if (i < before.length && j < after.length && before[i] === after[j]) {
      edits.push({ sign: ' ', text: before[i++] ?? '' })
      j++
    } else if (i < before.length && (j === after.length || at(i + 1, j) >= at(i, j + 1))) {
      edits.push({ sign: '-', text: before[i++] ?? '' })
    } else {
      edits.push({ sign: '+', text: after[j++] ?? '' })
    }
  }
  return edits
}

function hunksOf(edits: Edit[]): string[] {
  const changed = edits.flatMap((edit, n) => (edit.sign === ' ' ? [] : [n]))
  const hunks: string[] = []
  for (let n = 0; n < changed.length;) {
    let last = n
    while ((changed[last + 1] ?? Infinity) - (changed[last] ?? 0) <= 2 * CONTEXT) last++
    const from = Math.max(0, (changed[n] ?? 0) - CONTEXT)
    const to = Math.min(edits.length, (changed[last] ?? 0) + CONTEXT + 1)
    hunks.push(hunkText(edits, from, to))
    n = last + 1
  }
  return hunks
}

function hunkText(edits: Edit[], from: number, to: number): string {
  const count = (part: Edit[], without: '-' | '+') => part.filter((edit) => edit.sign !== without).length
  const [above, part] = [edits.slice(0, from), edits.slice(from, to)]
  const range = (without: '-' | '+') => `${count(above, without) + 1},${count(part, without)}`
  const lines = part.map((edit) => `${edit.sign}${edit.text}`)
  return [`@@ -${range('+')} +${range('-')} @@`, ...lines].join('\n')
}
