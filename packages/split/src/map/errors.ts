import { ImhotepError } from '@imhotep/base'
import type { Place } from './owner-map.ts'

/** Something in an owner map that is wrong, with its way out. */
export interface MapProblem extends Partial<Place> {
  readonly message: string
  readonly wayOut: string
}

/** An owner map that cannot be read, or that does not give every table of the database exactly one owner. All problems are listed. */
export class OwnerMapError extends ImhotepError {
  readonly code = 'IMH_SPLIT_OWNER_MAP'
  override readonly exitCode = 2
  readonly file: string
  readonly problems: readonly MapProblem[]
  constructor(file: string, problems: readonly MapProblem[], options: ErrorOptions = {}) {
    super(problems.map((problem) => `${placeOf(file, problem)}: ${problem.message} (${problem.wayOut})`).join('\n'), {
      ...options,
      hint: `correct ${file}; a first draft is written by: imhotep split map --suggest --map <new file>`,
    })
    this.file = file
    this.problems = problems
  }
}

function placeOf(file: string, { line, column }: MapProblem): string {
  return line === undefined ? file : `${file}:${line}:${column ?? 1}`
}
