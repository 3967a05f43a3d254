import { count, seconds, type Page } from './page.ts'

export interface SeedData {
  readonly kind: 'system' | 'demo'
  readonly applied: readonly { readonly version: string; readonly file: string; readonly ms: number }[]
  readonly already: number
  readonly ms: number
}

export function printSeed({ kind, applied, already, ms }: SeedData, page: Page): void {
  page.table(applied.map(({ file, ms: took }) => [file, `${took} ms`]))
  page.line(`${kind} seed: ${count(applied.length, 'file')} applied, ${already} already there, ${seconds(ms)}`)
}
