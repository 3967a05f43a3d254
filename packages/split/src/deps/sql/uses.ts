/** What a piece of SQL uses, in the order in which it names it. */
export interface SqlUses {
  readonly tables: readonly TableUse[]
  /** Names that are called like functions or procedures. */
  readonly calls: readonly string[]
  /** Why this may not be all: text that is cut, a name that is computed. Never a piece of the text. */
  readonly doubts: readonly string[]
}

export interface TableUse {
  /** Null when the name stands alone. */
  readonly schema: string | null
  readonly name: string
  readonly writes: boolean
}
