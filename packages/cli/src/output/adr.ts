import type { Page } from './page.ts'

export interface AdrData {
  readonly number: string
  /** Relative to the working directory. */
  readonly file: string
  readonly status: string
  readonly written: boolean
  /** The record, in Markdown. */
  readonly text: string
}

export function printAdr({ file, written, text }: AdrData, page: Page): void {
  if (!written) return page.line(text.trimEnd())
  page.line(`written: ${file}`)
}
