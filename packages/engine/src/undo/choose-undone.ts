import { UnknownVersionError } from '../migrate/errors.ts'
import type { HistoryRow } from '../migrate/history-table.ts'
import { compareVersions, isVersion } from '../migrate/migration-file.ts'
import { UndoDataLossError, UndoNotPossibleError, UndoRefusedError } from './errors.ts'
import type { PlannedStep } from './undo-plan.ts'

/** The versions of a history in their order; repeatable files and seeds take no part. */
export function byVersion(rows: readonly HistoryRow[]): HistoryRow[] {
  return rows
    .filter(({ kind }) => kind === 'versioned' || kind === 'baseline')
    .toSorted((a, b) => compareVersions(a.version, b.version))
}

/**
 * The versions to take back, the newest first.
 * @throws UnknownVersionError; UndoNotPossibleError for a version that was interrupted or only marked as applied
 */
export function chooseUndone(rows: readonly HistoryRow[], to: string | undefined): HistoryRow[] {
  const versions = rows.map(({ version }) => version)
  const isKnown =
    to === undefined || to === '0' || (isVersion(to) && versions.some((one) => compareVersions(one, to) === 0))
  if (!isKnown) throw new UnknownVersionError(to, ['0', ...versions])
  const undone = to === undefined ? rows.slice(-1) : rows.filter(({ version }) => compareVersions(version, to) > 0)
  for (const { version, kind, success } of undone) {
    if (!success) throw new UndoNotPossibleError(version, ['it was interrupted: imhotep migrate finishes it'])
    if (kind === 'baseline') throw new UndoNotPossibleError(version, ['it is the baseline of this database'])
  }
  return undone.toReversed()
}

/** @throws UndoRefusedError, UndoDataLossError, UndoNotPossibleError */
export function checkUndo(
  { version, undo, how, statements }: PlannedStep,
  options: { isProduction: boolean; onProduction?: boolean | undefined; allowDataLoss?: boolean | undefined },
): void {
  if (options.isProduction && !(undo && options.onProduction)) throw new UndoRefusedError(version, undo !== null)
  if (how !== 'computed') return
  const open = statements.filter(({ hazard, sql }) => hazard === 'needs a person' && sql.startsWith('--'))
  if (open.length > 0)
    throw new UndoNotPossibleError(
      version,
      open.map(({ object, reason }) => `${object}: ${reason}`),
    )
  const losses = statements.filter(({ hazard }) => hazard === 'data loss')
  if (losses.length > 0 && !options.allowDataLoss)
    throw new UndoDataLossError(
      version,
      losses.map(({ object }) => object),
    )
}
