const newline = 10
const escapes: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' }

/** Rows of a text that COPY wrote: line ends inside of values are escaped. */
export function countRows(text: Buffer): number {
  let rows = 0
  for (let at = text.indexOf(newline); at >= 0; at = text.indexOf(newline, at + 1)) rows++
  return rows
}

/** Values of the last row. */
export function lastRow(text: Buffer): (string | null)[] {
  const start = text.lastIndexOf(newline, text.length - 2) + 1
  return text
    .toString('utf8', start, text.length - 1)
    .split('\t')
    .map(readValue)
}

function readValue(text: string): string | null {
  if (text === '\\N') return null
  return text.replace(/\\(.)/gs, (_, char: string) => escapes[char] ?? char)
}
