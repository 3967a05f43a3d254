/** The line of the source with its neighbour above and a caret under the column; `line` and `column` count from 1. */
export function codeFrame(text: string, line: number, column: number): string {
  const lines = text.split(/\r?\n/)
  const first = Math.max(1, line - 1)
  const width = String(line).length
  const frame: string[] = []
  for (let n = first; n <= line; n++) frame.push(`${String(n).padStart(width)} | ${lines[n - 1] ?? ''}`.trimEnd())
  // Tabs stay tabs, so that the caret stands under its character whatever width the terminal gives them.
  const indent = (lines[line - 1] ?? '').slice(0, column - 1).replaceAll(/[^\t]/g, ' ')
  frame.push(`${' '.repeat(width)} | ${indent}^`)
  return frame.join('\n')
}
