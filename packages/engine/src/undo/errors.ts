import { ImhotepError } from '@imhotep/base'

/** A production database is taken back only by a file that somebody wrote and tested for that. */
export class UndoRefusedError extends ImhotepError {
  readonly code = 'IMH_UNDO_REFUSED'
  constructor(version: string, hasFile: boolean) {
    super(`version ${version} is not taken back on a production database`, {
      hint: hasFile
        ? 'when that is meant: imhotep undo --on-production runs its undo file'
        : `write and test U${version}__<name>.sql, or repair forwards with a new migration`,
    })
  }
}

/** Taking a version back would lose rows or columns. */
export class UndoDataLossError extends ImhotepError {
  readonly code = 'IMH_UNDO_DATA_LOSS'
  constructor(version: string, objects: readonly string[]) {
    super(`taking back version ${version} loses data: ${objects.join(', ')}`, {
      hint: 'look at it with: imhotep undo --dry-run; when it is meant: --allow-data-loss',
    })
  }
}

/** What a version did cannot be reversed by a program. */
export class UndoNotPossibleError extends ImhotepError {
  readonly code = 'IMH_UNDO_NOT_POSSIBLE'
  constructor(version: string, reasons: readonly string[]) {
    super(`version ${version} cannot be taken back: ${reasons.join('; ')}`, {
      hint: `write U${version}__<name>.sql with the statements that do it`,
    })
  }
}
