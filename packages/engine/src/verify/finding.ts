import type { SourcePosition } from '../catalog/model.ts'

export type Severity = 'error' | 'warning' | 'info'

/** One thing a rule found, in the stable JSON shape of `lint --json` and `verify --json`. */
export interface Finding {
  readonly rule: string
  readonly family: string
  readonly severity: Severity
  /** Null on a live database. */
  readonly file: string | null
  readonly line: number | null
  readonly column: number | null
  /** `schema.table`, `schema.table.column`, `schema.function(types)`, or a role. */
  readonly object: string | null
  readonly message: string
  readonly related: RelatedPlace[]
  /** What to do about it. */
  readonly help: string
  /** SQL that mends it, where that is safe to say. */
  readonly fix: string | null
}

export interface RelatedPlace {
  readonly file: string
  readonly line: number
  readonly message: string
}

/** What a rule yields: the finding without what every finding of that rule has in common. */
export interface Violation {
  readonly object: string
  readonly message: string
  readonly position?: SourcePosition | undefined
  /** The other end; what has no position is left out. */
  readonly related?: readonly { readonly position: SourcePosition | undefined; readonly message: string }[]
  readonly fix?: string
}
