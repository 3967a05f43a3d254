export type Tone = 'plain' | 'bold' | 'dim' | 'good' | 'bad' | 'warn'

const CODES: Record<Exclude<Tone, 'plain'>, string> = {
  bold: '1',
  dim: '2',
  good: '32',
  bad: '31',
  warn: '33',
}

/** Where a command's answer for people goes: lines and tables, coloured on a terminal only. */
export interface Page {
  line(text?: string): void
  /** Columns as wide as their widest cell; numbers are aligned to the right. */
  table(rows: readonly (readonly Cell[])[], header?: readonly string[]): void
  paint(text: string, tone: Tone): string
  /** A command as the reader can type it: `imhotep status`, from inside an npm script `npm run imhotep -- status`. */
  command(text: string): string
}

export type Cell = string | number | { readonly text: string; readonly tone: Tone }

export interface PageOptions {
  readonly colours: boolean
  /** How this process was called, for the commands that the page recommends; default `imhotep`. */
  readonly program?: string
}

export function createPage(write: (text: string) => void, options: PageOptions): Page {
  const paint = (text: string, tone: Tone) =>
    options.colours && tone !== 'plain' ? `\u001b[${CODES[tone]}m${text}\u001b[0m` : text
  const line = (text = '') => write(`${text}\n`)
  return {
    line,
    paint,
    command: (text) => `${options.program ?? 'imhotep'} ${text}`,
    table(rows, header) {
      const all = header === undefined ? rows : [header.map((text): Cell => ({ text, tone: 'dim' })), ...rows]
      const widths = columnWidths(all)
      const numeric = widths.map((_, column) => rows.some((row) => typeof row[column] === 'number'))
      for (const row of all) {
        const cells = row.map((cell, column) => {
          const text = cellText(cell)
          const space = ' '.repeat((widths[column] ?? 0) - text.length)
          const painted = paint(text, typeof cell === 'object' ? cell.tone : 'plain')
          return numeric[column] ? space + painted : painted + space
        })
        line(`  ${cells.join('  ').trimEnd()}`)
      }
    },
  }
}

function columnWidths(rows: readonly (readonly Cell[])[]): number[] {
  const count = Math.max(0, ...rows.map((row) => row.length))
  return Array.from({ length: count }, (_, column) =>
    Math.max(...rows.map((row) => cellText(row[column] ?? '').length)),
  )
}

function cellText(cell: Cell): string {
  return typeof cell === 'object' ? cell.text : String(cell)
}

/** `1 check`, `2 checks`. */
export function count(number: number, singular: string, plural = `${singular}s`): string {
  return `${number} ${number === 1 ? singular : plural}`
}

export function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}

/** `0.84 s`: times a person reads. */
export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(2)} s`
}
