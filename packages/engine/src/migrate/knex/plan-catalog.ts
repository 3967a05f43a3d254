import { foldErrors, foldStatement, startFold } from '../../catalog/files.ts'
import type { Catalog } from '../../catalog/model.ts'
import { parseSql } from '../../parse/parse-sql.ts'

interface Piece {
  readonly file: string
  readonly text: string
}

/** The schema at the point that planning has come to. It is folded when somebody asks, each statement once. */
export class PlanCatalog {
  readonly #pieces: Piece[] = []
  #fold = startFold()
  #folded = 0

  get length(): number {
    return this.#pieces.length
  }

  add(file: string, text: string): void {
    this.#pieces.push({ file, text })
  }

  /** Forgets what came behind the first `length` pieces, and returns it. */
  cut(length: number): Piece[] {
    const forgotten = this.#pieces.splice(length)
    if (this.#folded > length) {
      this.#fold = startFold()
      this.#folded = 0
    }
    return forgotten
  }

  async now(): Promise<Catalog> {
    for (; this.#folded < this.#pieces.length; this.#folded++) {
      const { file, text } = this.#pieces[this.#folded] ?? { file: '', text: '' }
      const parsed = await parseSql(text, file)
      foldErrors(this.#fold, parsed)
      for (const statement of parsed.statements) foldStatement(this.#fold, statement, parsed)
    }
    return this.#fold.catalog
  }
}
