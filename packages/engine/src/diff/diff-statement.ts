/** What a statement does to those who use the database while it runs, and to what is in it. */
export const HAZARDS = ['locks', 'rewrites', 'data loss', 'breaks clients', 'needs a person'] as const

export type Hazard = (typeof HAZARDS)[number]

export interface DiffStatement {
  /** Without semicolon; a comment where only a person can tell what to do. */
  readonly sql: string
  /** As differences name it: `table a.b`, `column a.b.c`. */
  readonly object: string
  readonly hazard: Hazard | null
  /** Why, in a few words; null without hazard. */
  readonly reason: string | null
  /**
   * It cannot be, or must not be, in one transaction with the others: it runs by itself, behind them, or before them where it
   * stands in front of all.
   */
  readonly outside?: true
}

export function statement(object: string, sql: string, hazard: Hazard | null = null, reason = ''): DiffStatement {
  return { sql, object, hazard, reason: hazard === null ? null : reason }
}

export function outside(own: DiffStatement): DiffStatement {
  return { ...own, outside: true }
}

/** For what cannot be computed: a comment that says what differs. */
export function byHand(object: string, reason: string): DiffStatement {
  return { sql: `-- ${object}: ${reason.replaceAll('\n', ' ')}`, object, hazard: 'needs a person', reason }
}
