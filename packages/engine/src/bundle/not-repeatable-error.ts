import { ImhotepError } from '@imhotep/base'

/** Statements that would fail, or do something else, when the script runs a second time; `problems` has one line each. */
export class NotRepeatableError extends ImhotepError {
  readonly code = 'IMH_NOT_REPEATABLE'
  readonly problems: string[]

  constructor(problems: string[]) {
    super(
      problems.length === 1
        ? `${problems[0]}`
        : `${problems.length} statements cannot be run twice:\n${problems.join('\n')}`,
      { hint: 'write these statements so that a second run changes nothing, then build again' },
    )
    this.problems = problems
  }
}
