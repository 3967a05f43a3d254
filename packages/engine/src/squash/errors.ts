import { ImhotepError } from '@imhotep/base'

const BY_HAND = 'keep the versions as they are, or write the file by hand: a new database runs it instead of them'

/** The versions make objects of which a server gives the names alone: the squashed file would lack them. */
export class SquashRefusedError extends ImhotepError {
  readonly code = 'IMH_SQUASH_REFUSED'
  readonly objects: readonly string[]
  constructor(file: string, objects: readonly string[]) {
    super(`${file} would lack what cannot be read back from a server: ${objects.join(', ')}`, { hint: BY_HAND })
    this.objects = objects
  }
}

/** The squashed file does not run on a new database, or makes something else than the versions that it stands for. */
export class SquashDiffersError extends ImhotepError {
  readonly code = 'IMH_SQUASH_DIFFERS'
  readonly objects: readonly string[]
  constructor(file: string, problem: { readonly objects: readonly string[] } | { readonly cause: unknown }) {
    const objects = 'objects' in problem ? problem.objects : []
    const shown = objects.slice(0, 10).map((object) => `  ${object}`)
    const more = objects.length > shown.length ? [`  and ${objects.length - shown.length} more`] : []
    const first =
      'cause' in problem
        ? `${file} does not run on a new database: ${problem.cause instanceof Error ? problem.cause.message : String(problem.cause)}`
        : `${file} makes something else than the versions in ${objects.length} places`
    super([first, ...shown, ...more].join('\n'), { hint: BY_HAND, ...('cause' in problem ? problem : {}) })
    this.objects = objects
  }
}
