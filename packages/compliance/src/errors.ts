import { ImhotepError } from '@imhotep/base'

/** Some rules are about the rows of every tenant, and a role that sees one tenant's would find all of them in order. */
export class InspectionNotPossibleError extends ImhotepError {
  readonly code = 'IMH_INSPECTION_NOT_POSSIBLE'
  override readonly exitCode = 2

  constructor(role: string) {
    super(`the inspection cannot be made: role "${role}" is no superuser`, {
      hint: 'pass the URL of a superuser: --url postgresql://postgres@host/database',
    })
  }
}
