/** The statements of one run of `up` or `down`, as far as they were not rolled back. */
export class Transcript {
  readonly #file: string
  readonly #entries: { readonly sql: string; readonly line: number | null }[] = []
  readonly #marks: { readonly name: string; readonly at: number }[] = []

  constructor(file: string) {
    this.#file = file
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
    const statements = this.#entries.map(({ sql, line }) => {
      const place = line === null ? this.#file : `${this.#file}:${line}`
      return `-- ${place}\n${sql};\n`
    })
    return [...header.map((text) => `${text}\n`), ...statements].join('')
  }
}

/** The line of a Knex file that sent the statement at a line of its `text`; null when that is not known. */
export function sourceLine(text: string, line: number): number | null {
  const before = text.split('\n').slice(0, line)
  for (const comment of before.toReversed()) {
    const [, , found] = /^-- (\S.*?)(?::(\d+))?$/.exec(comment) ?? []
    if (comment.startsWith('-- ')) return found === undefined ? null : Number(found)
  }
  return null
}
