import type { Squashed } from '@imhotep/engine'
import { count, type Page } from './page.ts'

export type SquashData = Omit<Squashed, 'text'>

export function printSquash({ file, versions, tables, rows }: SquashData, page: Page): void {
  page.line(`${file} stands for ${count(versions.length, 'version')}: ${count(tables, 'table')}, ${count(rows, 'row')}`)
}
