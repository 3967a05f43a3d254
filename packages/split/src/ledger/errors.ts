import { ImhotepError } from '@imhotep/base'

/** Another process changed the service's state between our reading it and our writing it. */
export class StateChangedError extends ImhotepError {
  readonly code = 'IMH_SPLIT_STATE_CHANGED'
  constructor(service: string, state: string) {
    super(`${service} is no longer ${state}`, { hint: 'see where it is with: imhotep split status' })
  }
}

/** Another process holds the lock of the service. */
export class MoveUnderWayError extends ImhotepError {
  readonly code = 'IMH_SPLIT_UNDER_WAY'
  constructor(service: string) {
    super(`another process moves ${service}`, {
      hint: 'wait for it, or end it; a killed process gives the lock back within seconds',
    })
  }
}

/** The step asked for does not follow from the state that the service is in. */
export class WrongStateError extends ImhotepError {
  readonly code = 'IMH_SPLIT_WRONG_STATE'
  constructor(service: string, state: string, wanted: string, hint: string) {
    super(`${service} is ${state}, which does not allow to ${wanted}`, { hint })
  }
}

/** The owner map cannot change while services move by it, or could still come back. */
export class PlanInUseError extends ImhotepError {
  readonly code = 'IMH_SPLIT_PLAN_IN_USE'
  constructor(services: readonly string[]) {
    super(`services move by the plan that is there: ${services.join(', ')}`, {
      hint: 'finish them (imhotep split retire), or take them back (imhotep split cancel, imhotep split revert)',
    })
  }
}
