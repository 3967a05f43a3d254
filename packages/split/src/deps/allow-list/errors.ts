import { ImhotepError } from '@imhotep/base'

/** An allow-list that cannot be read, or with an entry that lacks its issue or reason. */
export class AllowListError extends ImhotepError {
  readonly code = 'IMH_SPLIT_ALLOW_LIST'
  override readonly exitCode = 2
  readonly file: string
  constructor(file: string, problems: readonly string[], options: ErrorOptions = {}) {
    super(problems.map((problem) => `${file}:${problem}`).join('\n'), {
      ...options,
      hint: 'every entry has id, what, issue (where its removal is planned) and reason',
    })
    this.file = file
  }
}

/** The allow-list names dependencies that it did not name before: it can only shrink. */
export class AllowListGrowthError extends ImhotepError {
  readonly code = 'IMH_SPLIT_ALLOW_LIST_GROWTH'
  readonly file: string
  readonly added: readonly string[]
  constructor(file: string, added: readonly string[]) {
    super(`${file} has ${added.length} entries more than before: ${added.join(', ')}`, {
      hint: 'take a way out that the report names instead of allowing what is new',
    })
    this.file = file
    this.added = added
  }
}
