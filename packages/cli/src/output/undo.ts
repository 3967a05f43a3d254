import type { UndoResult } from '@imhotep/engine'
import { printStatements } from './diff.ts'
import { count, type Page } from './page.ts'

export interface UndoData extends UndoResult {
  readonly dryRun: boolean
}

const WORDS = {
  'undo file': 'by its undo file',
  down: 'by its down',
  computed: 'computed from before and after',
} as const

export function printUndo({ steps, undone, dryRun }: UndoData, page: Page): void {
  if (steps.length === 0) {
    page.line('nothing to take back')
    return
  }
  for (const { version, file, how, statements } of steps) {
    page.line(page.paint(`version ${version} (${file}), ${WORDS[how]}`, 'bold'))
    if (dryRun) printStatements(statements, page)
  }
  page.line(dryRun ? 'nothing was changed (--dry-run)' : `${count(undone.length, 'version')} taken back`)
}
