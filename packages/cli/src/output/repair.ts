import type { RepairResult } from '@imhotep/engine'
import type { Page } from './page.ts'

export interface RepairData extends RepairResult {
  readonly dryRun: boolean
}

const WORDS: Record<RepairData['action'], string> = {
  accept: 'take the text and checksum of the file into the record',
  remove: 'remove the record of the interrupted run, so that the file runs from its start',
  none: 'nothing to mend: the record and the file agree',
}

export function printRepair(
  { version, file, action, diff, statementsDone, changed, dryRun }: RepairData,
  page: Page,
): void {
  page.line(`version ${version} (${file}): ${WORDS[action]}`)
  if (diff !== '') page.line(diff)
  if (statementsDone > 0) page.line(`statements that ran and stay in the database: ${statementsDone}`)
  if (action !== 'none')
    page.line(changed ? 'done' : dryRun ? 'nothing was changed (--dry-run)' : 'nothing was changed')
}
