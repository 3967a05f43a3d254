/** What the rows of a column hold that decides its type, or would be lost: counts, never values. */
export interface ColumnFacts {
  /** tinyint(1) that is neither 0 nor 1. */
  readonly notBoolean?: number
  /** Unsigned numbers beyond bigint. */
  readonly aboveBigint?: number
  /** Times below 0 or above 24:00:00. */
  readonly outsideDay?: number
  /** 0000-00-00, 2024-00-10 and the like. */
  readonly zeroDates?: number
  /** '' of an enum that has no such label: a wrong value that was written without strict mode. */
  readonly emptyLabels?: number
  readonly nulCharacters?: number
  /** JSON objects with a key twice. */
  readonly duplicateKeys?: number
  /** JSON with \u0000 or half a surrogate pair, which jsonb refuses. */
  readonly refusedTexts?: number
}

/** Facts by name of the column; columns without any doubt are left out. */
export interface TableFacts {
  readonly rows: number
  readonly columns: ReadonlyMap<string, ColumnFacts>
}
