import type { TableName } from '../model.ts'

export type DependencyKind =
  | 'foreign key'
  | 'view'
  | 'materialized view'
  | 'function'
  | 'procedure'
  | 'trigger'
  | 'event'
  | 'generated column'
  | 'statement'
  | 'source code'
  | 'transaction'
  | 'call in a loop'

export type WayOut = 'denormalise' | 'local copy' | 'batch call' | 'loose foreign key' | 'event' | 'own id'

/** Something of one service that uses a table of another. */
export interface Dependency {
  /** The same for the same dependency in every run: what the allow-list names. */
  readonly id: string
  readonly kind: DependencyKind
  readonly from: { readonly service: string; readonly object: string }
  readonly to: { readonly service: string; readonly table: TableName }
  readonly writes: boolean
  /** `file:line`, a digest, an object of the catalog: at most ten. */
  readonly evidence: readonly string[]
  /** Executions, transactions, or places in the code; 1 for an object of the catalog. */
  readonly count: number
  readonly lastSeen: Date | null
  readonly wayOut: WayOut
  /** Which rule chose it. */
  readonly reason: string
  /** Nothing is left to do: a foreign key, which the split replaces by itself, or a read of a table that the service gets a copy of. */
  readonly settled: boolean
}

/** What stands in the way of a split and is about no table: a person looks at it. */
export interface Warning {
  readonly id: string
  readonly kind: DependencyKind
  readonly object: string
  readonly evidence: readonly string[]
  readonly count: number
  readonly lastSeen: Date | null
  /** Never a piece of the text. */
  readonly reason: string
}

export interface Findings {
  readonly dependencies: readonly Dependency[]
  /** SQL of which nobody can tell what it uses. It is never clean. */
  readonly unknown: readonly Warning[]
  /** Code that asks another service once for each element of a loop. */
  readonly loopCalls: readonly Warning[]
  /** What was looked at: a report over nothing would be clean as well. */
  readonly looked: Readonly<Record<string, number>>
}
