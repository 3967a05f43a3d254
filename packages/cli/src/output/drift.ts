import type { DiffStatement } from '@imhotep/engine'
import { printStatements } from './diff.ts'
import { count, type Page } from './page.ts'

export interface DriftData {
  /** The newest version that the database has applied. */
  readonly version: string
  /** What was done by hand. */
  readonly statements: readonly DiffStatement[]
}

export function printDrift({ version, statements }: DriftData, page: Page): void {
  if (statements.length === 0) {
    page.line(`the database is what its migrations up to ${version} make`)
    return
  }
  printStatements(statements, page)
  page.line(`${count(statements.length, 'statement')} done by hand since version ${version}`)
  page.line('put what shall stay into a migration, and take the rest back')
}
