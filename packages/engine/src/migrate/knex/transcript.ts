/** The statements of one run of `up` or `down`, as far as they were not rolled back. */
export class Transcript {
  readonly #file: string
  readonly #source: readonly string[]
  readonly #entries: { readonly sql: string; readonly line: number | null }[] = []
  readonly #marks: { readonly name: string; readonly at: number }[] = []

  /** `source` is the text of the file: its comments `// imhotep:ignore ..` are kept. */
  constructor(file: string, source: string) {
    this.#file = file
    this.#source = source.split('\n')
  }

  get length(): number {
    return this.#entries.length
  }

  add(sql: string, line: number | null): void {
    this.#entries.push({ sql, line })
  }

  /** Takes note of BEGIN, SAVEPOINT and their ends: what is rolled back did not happen. */
  control(sql: string): void {
    const [, savepoint, back] = /^(?:SAVEPOINT (\w+)|ROLLBACK TO SAVEPOINT (\w+))/.exec(sql) ?? []
    if (savepoint !== undefined || sql.startsWith('BEGIN')) {
      this.#marks.push({ name: savepoint ?? '', at: this.#entries.length })
    } else if (sql.startsWith('ROLLBACK')) {
      const mark = this.#marks.findLast(({ name }) => name === (back ?? ''))
      if (mark) this.#entries.splice(mark.at)
    }
  }

  /** A statement a paragraph, each behind a comment that says which line of the file sent it. */
  toText(header: readonly string[] = []): string {
    const whole = this.#source.flatMap((line) => IGNORE_FILE.exec(line)?.[1] ?? [])
    const statements = this.#entries.map(({ sql, line }) => {
      const place = line === null ? this.#file : `${this.#file}:${line}`
      return [`-- ${place}`, ...this.#ignoresAbove(line), `${sql};`, ''].join('\n')
    })
    return [...header.map((text) => `${text}\n`), ...whole.map((text) => `-- ${text}\n`), ...statements].join('')
  }

  #ignoresAbove(line: number | null): string[] {
    const found: string[] = []
    for (let n = (line ?? 0) - 2; n >= 0; n--) {
      const [, comment] = IGNORE.exec(this.#source[n] ?? '') ?? []
      if (comment === undefined) break
      found.unshift(`-- ${comment}`)
    }
    return found
  }
}

const IGNORE = /^\s*\/\/\s*(imhotep:ignore\s.*?)\s*$/
const IGNORE_FILE = /^\s*\/\/\s*(imhotep:ignore-file\s.*?)\s*$/
const PLACE = /^-- .+\.[cm]?[jt]s(?::(\d+))?$/

/** The line of a Knex file that sent the statement at a line of its `text`; null when that is not known. */
export function sourceLine(text: string, line: number): number | null {
  const lines = text.split('\n')
  for (let n = Math.min(line, lines.length) - 1; n >= 0; n--) {
    const place = PLACE.exec(lines[n] ?? '')
    if (place) return place[1] === undefined ? null : Number(place[1])
  }
  return null
}
