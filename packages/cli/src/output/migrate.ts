import type { MigrateResult } from '@imhotep/engine'
import { count, seconds, type Page } from './page.ts'

export interface MigrateData extends MigrateResult {
  readonly dryRun: boolean
}

export function printMigrate(data: MigrateData, page: Page): void {
  for (const warning of data.warnings) page.line(`${page.paint('warning', 'warn')} ${warning}`)
  page.table(data.adopted.map(({ version, file }) => [version, file, 'was applied by Knex']))
  page.table(data.applied.map(({ version, file, ms }) => [version, file, `${ms} ms`]))
  if (data.dryRun) page.table(data.pendingFiles.map(({ version, file }) => [version, file, 'would be applied']))
  const { applied, already, pending, ms } = data
  page.line(`${count(applied.length, 'file')} applied, ${already} already there, ${pending} pending, ${seconds(ms)}`)
}
