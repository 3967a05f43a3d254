import type { ParsedStatement } from '../parse/parse-sql.ts'

/** The parts of a schema in the order in which they are built. */
export const PARTS = ['foundation', 'tables', 'foreign keys', 'functions', 'views', 'grants'] as const

export type Part = (typeof PARTS)[number]

/** What to run, in order: one section per part and source file. */
export interface Plan {
  /** Modules in dependency order, chosen ones and what they require. */
  readonly modules: {
    readonly name: string
    readonly schema: string
    readonly service: string
    readonly purpose: string
    /** Names of all modules that it cannot be without, also those that its own need. */
    readonly requires: readonly string[]
  }[]
  /** Modules that nobody chose, but that a chosen one requires; sorted. */
  readonly added: string[]
  readonly sections: PlanSection[]
  /** Foreign keys into modules that are not part of the plan. */
  readonly leftOut: LeftOutForeignKey[]
}

export interface PlanSection {
  readonly part: Part
  /** For people: `tables of core`. */
  readonly title: string
  readonly module: string
  /** Path of the source file, relative to the modules' directory. */
  readonly file: string
  readonly statements: PlannedStatement[]
}

/** A statement with the comments that its author wrote around it. */
export interface PlannedStatement extends ParsedStatement {
  /** Comment lines above it, empty when there are none. */
  readonly leading: string
  /** Comment on the line of its semicolon, empty when there is none. */
  readonly trailing: string
  /** True when an empty line separates it from the statement above. */
  readonly spaced: boolean
}

export interface LeftOutForeignKey {
  readonly module: string
  /** `schema.table` that has the key. */
  readonly table: string
  readonly constraint: string
  /** `schema.table` that it would point to. */
  readonly references: string
  readonly file: string
  readonly line: number
}
