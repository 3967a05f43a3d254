/** One thing broken, and the rule that promises that it is whole. */
export interface Defect {
  /** What is wrong with the database after it, in a few words. */
  readonly name: string
  /** Id of the rule that must report it; other rules may as well. */
  readonly rule: string
  /** Statements, each ended by a semicolon at the end of a line; run as superuser on the demo database. */
  readonly sql: string
}

/** A change that breaks nothing: no rule may fail after it that did not fail before. */
export interface Harmless {
  readonly name: string
  readonly sql: string
}
