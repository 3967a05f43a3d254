import { ImhotepError } from '@imhotep/base'

/** The attack takes the place of application and owner roles, and must know rows that they cannot see. */
export class AttackNotPossibleError extends ImhotepError {
  readonly code = 'IMH_ATTACK_NOT_POSSIBLE'
  override readonly exitCode = 2

  constructor(reason: string, hint: string) {
    super(`the attack cannot be made: ${reason}`, { hint })
  }
}
