import type { Finding } from '../verify/finding.ts'

export const STATUSES = ['proposed', 'accepted', 'rejected', 'superseded'] as const

export type DecisionStatus = (typeof STATUSES)[number]

/** What a record of a decision is written from: nothing in it is made up. */
export interface Decision {
  /** `0015` */
  readonly number: string
  readonly title: string
  readonly status: DecisionStatus
  /** Null for a record whose sections a person fills. */
  readonly facts: DiffFacts | FindingFacts | null
}

/** A change of the schema, as the difference of two catalogs. */
export interface DiffFacts {
  readonly kind: 'diff'
  /** What was compared, as the caller named it. */
  readonly left: string
  readonly right: string
  readonly statements: readonly DecidedStatement[]
  readonly tables: readonly TableSize[]
}

export interface DecidedStatement {
  /** Without semicolon. */
  readonly sql: string
  /** `table a.b`, `column a.b.c`. */
  readonly object: string
  /** `locks`, `data loss`, ...; null without one. */
  readonly hazard: string | null
  readonly reason: string | null
}

/** What lint found. */
export interface FindingFacts {
  readonly kind: 'finding'
  readonly finding: Finding
  /** What the mistake does to production, as the rule says. */
  readonly effect: string
  /** The lines of the file that it is about. */
  readonly excerpt: string | null
  readonly tables: readonly TableSize[]
}

export interface TableSize {
  /** `schema.table` */
  readonly table: string
  /** The planner's estimate; null when the table was never analysed. */
  readonly rows: number | null
  /** With indexes and what is stored beside the rows. */
  readonly bytes: number
}
