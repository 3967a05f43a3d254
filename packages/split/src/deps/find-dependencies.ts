import type { CheckedOwnerMap } from '../map/owner-map.ts'
import type { LogTransaction } from '../model.ts'
import type { SharedCatalog } from '../side.ts'
import { addCatalogDependencies } from './catalog-dependencies.ts'
import type { Findings } from './dependency.ts'
import { Collector } from './collector.ts'
import { Names } from './names.ts'
import type { Dialect } from './sql/tokens.ts'
import type { SourceFolder } from './sources/source-code.ts'
import { addStatements, type SeenStatement } from './statement-dependencies.ts'
import { addTransactions } from './transaction-dependencies.ts'

export interface DependencySources {
  readonly catalog: SharedCatalog
  readonly dialect: Dialect
  readonly map: CheckedOwnerMap
  /** The service that all objects of the catalog belong to; else each belongs to the owner of what it writes or names first. */
  readonly home?: string
  /** Statistics and logs: `fromDigests`, `fromPgStatStatements`, `fromGeneralLog`, `fromSlowLog`, `fromPostgresLog`. */
  readonly statements?: readonly (AsyncIterable<SeenStatement> | Iterable<SeenStatement>)[]
  readonly folders?: readonly SourceFolder[]
  /** `Side.readLog`, ended by its signal. */
  readonly transactions?: AsyncIterable<LogTransaction>
}

/** Everything of one service that uses a table of another, from all sources that are given, and what nobody can tell. */
export async function findDependencies(sources: DependencySources): Promise<Findings> {
  const names = new Names(sources.catalog, sources.dialect)
  const collector = new Collector(sources.map)
  addCatalogDependencies(sources.catalog, names, collector, sources.home)
  for (const statements of sources.statements ?? []) await addStatements(statements, names, collector)
  for (const folder of sources.folders ?? []) {
    const { addSourceCode } = await import('./sources/source-code.ts') // its parser of JavaScript is slow to load
    await addSourceCode(folder, names, collector)
  }
  if (sources.transactions) await addTransactions(sources.transactions, collector)
  return collector.findings()
}
