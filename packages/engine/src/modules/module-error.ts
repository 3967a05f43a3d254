import { ImhotepError } from '@imhotep/base'

/** The modules are not what they must be; `problems` says everything that is wrong, one line each, file first. */
export class ModuleError extends ImhotepError {
  readonly code = 'IMH_MODULE'
  readonly problems: string[]

  constructor(problems: string[], hint = 'correct the files named above; packages/engine describes their form') {
    super(
      problems.length === 1 ? `${problems[0]}` : `${problems.length} problems in modules:\n${problems.join('\n')}`,
      {
        hint,
      },
    )
    this.problems = problems
  }
}
