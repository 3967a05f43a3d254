import { count, type Page } from './page.ts'

export interface BundleData {
  /** Relative to the project. */
  readonly file: string
  /** `written` and `unchanged` after writing, `fresh` and `stale` after --check. */
  readonly state: 'written' | 'unchanged' | 'fresh' | 'stale'
  readonly modules: readonly string[]
  /** Modules that came in because others require them. */
  readonly added: readonly string[]
  readonly lines: number
  readonly bytes: number
  /** Foreign keys to modules that were not chosen. */
  readonly leftOut: number
  /** First line that differs, counted from 1; null when none does. */
  readonly differsAtLine: number | null
}

export function printBundle(data: BundleData, page: Page): void {
  const tone = data.state === 'stale' ? 'bad' : 'good'
  page.line(`${data.file}: ${page.paint(data.state, tone)}, ${count(data.lines, 'line')}, ${count(data.bytes, 'byte')}`)
  page.line(`${count(data.modules.length, 'module')}: ${data.modules.join(', ')}`)
  if (data.added.length > 0) page.line(`required by the chosen ones: ${data.added.join(', ')}`)
  if (data.leftOut > 0)
    page.line(`${count(data.leftOut, 'foreign key')} to modules that are not in the bundle left out`)
  if (data.state === 'stale')
    page.line(`differs from line ${data.differsAtLine}: write it with ${page.command('bundle')}`)
}
