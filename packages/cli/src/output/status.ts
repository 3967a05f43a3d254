import type { MigrationStatus, VersionStatus } from '@imhotep/engine'
import { count, type Page, type Tone } from './page.ts'

export type StatusData = MigrationStatus

const TONES: Record<VersionStatus['state'], Tone> = {
  applied: 'good',
  pending: 'warn',
  edited: 'bad',
  missing: 'bad',
  failed: 'bad',
}

export function printStatus({ versions, chainBrokenAt, knex }: StatusData, page: Page): void {
  page.table(
    versions.map(({ version, state, file }) => [version, { text: state, tone: TONES[state] }, file]),
    ['version', 'state', 'file'],
  )
  if (chainBrokenAt !== null)
    page.line(page.paint(`the history was changed by hand at or before ${chainBrokenAt}`, 'bad'))
  if (knex) printKnex(knex, page)
  const pending = versions.filter(({ state }) => state === 'pending').length
  page.line(
    pending === 0 ? 'nothing pending' : `${count(pending, 'file')} pending: apply with ${page.command('migrate')}`,
  )
}

function printKnex({ adopt, unknownToKnex, withoutFile }: NonNullable<StatusData['knex']>, page: Page): void {
  if (adopt.length > 0)
    page.line(`${count(adopt.length, 'file')} applied by Knex: ${page.command('migrate')} takes them into the history`)
  if (unknownToKnex.length > 0) page.line(page.paint(`not in Knex's table: ${unknownToKnex.join(', ')}`, 'bad'))
  if (withoutFile.length > 0)
    page.line(page.paint(`in Knex's table, not among the files: ${withoutFile.join(', ')}`, 'bad'))
}
