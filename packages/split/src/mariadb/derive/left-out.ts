import type { DerivedTable } from './derived-table.ts'
import { UntranslatableError } from './parse-expression.ts'

/** Something of the shared database that a service on its own, or on PostgreSQL, does not have. */
export interface LeftOut {
  /** By the source's names: `check orders_price on shop.orders`. */
  readonly object: string
  readonly reason: string
  readonly wayOut: string
}

/** Notes what is left out of a table. */
export interface Report {
  (table: DerivedTable, object: string, reason: string, wayOut: string): void
  /** What `work` returns; null, and a note, when there is no translation. */
  attempt<T>(table: DerivedTable, object: string, wayOut: string, work: () => T): T | null
}

export function reportTo(list: LeftOut[]): Report {
  const report = ({ shared }: DerivedTable, object: string, reason: string, wayOut: string): void => {
    list.push({ object: `${object} on ${shared.schema}.${shared.name}`, reason, wayOut })
  }
  const attempt: Report['attempt'] = (table, object, wayOut, work) => {
    try {
      return work()
    } catch (error) {
      if (!(error instanceof UntranslatableError)) throw error
      report(table, object, error.message, wayOut)
      return null
    }
  }
  return Object.assign(report, { attempt })
}
