import { ImhotepError } from '@imhotep/base'
import { quoteList } from '../migrate/quote-list.ts'

/** Demonstration data does not go into this database; nothing was sent. */
export class SeedRefusedError extends ImhotepError {
  readonly code = 'IMH_SEED_REFUSED'
  readonly environment: string | null
  constructor(environment: string | null) {
    super(
      environment === null
        ? 'demo seeds need to know that this is not a production database, and it does not say what it is'
        : `demo seeds are not for a ${environment} database`,
      {
        hint:
          environment === null
            ? 'start one with: imhotep up, or mark this one: imhotep init --environment development'
            : 'use another database: imhotep up starts one',
      },
    )
    this.environment = environment
  }
}

/** Demo files that do not start with the database's own guard, so psql would load them into production. */
export class SeedGuardError extends ImhotepError {
  readonly code = 'IMH_SEED_GUARD'
  readonly files: readonly string[]
  constructor(files: readonly string[], guard: string) {
    super(`demo seeds without their guard: ${quoteList(files)}`, {
      hint: `make the first statement of each: select ${guard}();`,
    })
    this.files = files
  }
}

/** A seed that wants to run after one that does not run before it. */
export class SeedOrderError extends ImhotepError {
  readonly code = 'IMH_SEED_ORDER'
  readonly file: string
  constructor(file: string, name: string) {
    super(`${file} names '${name}' behind imhotep:after, and no seed before it is called so`, {
      hint: 'write <module> or <module>/<file without .sql>; a seed runs behind lower hundreds of numbers, and in its hundred behind the modules that its own requires',
    })
    this.file = file
  }
}
