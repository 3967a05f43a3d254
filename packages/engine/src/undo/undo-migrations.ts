import { byVersion, checkUndo, chooseUndone } from './choose-undone.ts'
import { runUndo } from './run-undo.ts'
import { planUndo, type PlanOptions, type UndoStep } from './undo-plan.ts'
import { loadHistory, type HistorySource } from '../migrate/apply-migrations.ts'
import { readHistoryRows } from '../migrate/history-table.ts'
import { withMigrationSession, type SessionOptions } from '../migrate/migration-session.ts'
import { readEnvironment } from '../migrate/read-environment.ts'

export interface UndoOptions extends HistorySource, SessionOptions, PlanOptions {
  /** The version that stays the newest; `0` takes everything back. Default: the newest version alone is taken back. */
  readonly to?: string | undefined
  readonly dryRun?: boolean | undefined
  /** Also what drops tables, columns and their rows. */
  readonly allowDataLoss?: boolean | undefined
  /** Undo files also on a database that is marked production. */
  readonly onProduction?: boolean | undefined
  readonly environmentSql?: string | undefined
  /** Asked before anything is changed; nothing is changed when it says no. */
  readonly confirm?: ((steps: readonly UndoStep[]) => Promise<boolean>) | undefined
}

export interface UndoResult {
  /** The newest first. */
  readonly steps: readonly UndoStep[]
  /** Versions that were taken back; none in a dry run. */
  readonly undone: readonly string[]
}

/**
 * Takes the newest versions back, each in one transaction together with its row of the history: by its undo file, by
 * `down` of a Knex file, or by statements computed from the schemas before and after it.
 * @throws UndoRefusedError, UndoDataLossError, UndoNotPossibleError, UnknownVersionError
 */
export async function undoMigrations(url: string, options: UndoOptions): Promise<UndoResult> {
  const files = await loadHistory(options)
  return withMigrationSession(url, options, async (session) => {
    const rows = byVersion(await readHistoryRows(session.connection, session.table))
    const undone = chooseUndone(rows, options.to)
    const planned = await planUndo(session, files, rows, undone, options)
    const steps = planned.map(({ version, file, how, statements }) => ({ version, file, how, statements }))
    if (options.dryRun) return { steps, undone: [] }
    const environment = await readEnvironment(session.connection, options.environmentSql)
    for (const step of planned) checkUndo(step, { ...options, isProduction: environment === 'production' })
    if (planned.length > 0 && options.confirm && !(await options.confirm(steps))) return { steps, undone: [] }
    return { steps, undone: await runUndo(session, files, planned) }
  })
}
