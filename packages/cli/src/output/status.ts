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

export function printStatus({ versions, chainBrokenAt }: StatusData, page: Page): void {
  page.table(
    versions.map(({ version, state, file }) => [version, { text: state, tone: TONES[state] }, file]),
    ['version', 'state', 'file'],
  )
  if (chainBrokenAt !== null)
    page.line(page.paint(`the history was changed by hand at or before ${chainBrokenAt}`, 'bad'))
  const pending = versions.filter(({ state }) => state === 'pending').length
  page.line(
    pending === 0 ? 'nothing pending' : `${count(pending, 'file')} pending: apply with ${page.command('migrate')}`,
  )
}
