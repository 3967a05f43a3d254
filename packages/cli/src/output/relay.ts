import type { Hearing } from '@imhotep/split'
import { count, sum, type Page } from './page.ts'

export interface RelayData {
  readonly hearings: readonly Hearing[]
}

export function printRelay({ hearings }: RelayData, page: Page): void {
  if (hearings.length === 0) {
    page.line("these services keep nothing of each other's rows")
    return
  }
  page.table(
    hearings.map(({ service, owner, rows, failure }) => [service, owner, rows, failure ?? '']),
    ['service', 'hears of', 'rows', 'could not'],
  )
  page.line(`${count(sum(hearings.map(({ rows }) => rows)), 'row')} told`)
}
