import { refused, through, untested, type Outcome, type Verdict } from './attempt.ts'

interface CallFacts {
  /** A row of the other tenant is named, so an unknown one must get the same answer. */
  readonly comparable: boolean
  /** A row of the other tenant would be recognised in the answer. */
  readonly recognisable: boolean
}

/**
 * The outcomes are of the call that attacks, of two with unknown ids where there are any, and last, when those failed alike,
 * of one that must come further (`Step.afterErrors`).
 */
export function judgeCall({ comparable, recognisable }: CallFacts): (outcomes: readonly Outcome[]) => Verdict {
  return (outcomes) => {
    const [answer] = outcomes
    if (!answer) return untested('not run')
    const [, unknown, unknownAgain] = outcomes.length > 2 ? outcomes : []
    if (answer.leaked > 0) return through(`the answer holds ${answer.leaked} ids of the other tenant`)
    if (answer.changed > 0) return through(`${answer.changed} rows of the other tenant changed`)
    if (comparable && unknown && unknownAgain) {
      if (answer.state !== unknown.state)
        return through(`tells a row of the other tenant (${answer.state}) from an unknown one (${unknown.state})`)
      // Answers that differ between two unknown ids hold a time or a new id: nothing to compare.
      const steady = unknown.answer === unknownAgain.answer
      if (steady && answer.answer !== unknown.answer) return through('answers otherwise than for an unknown id')
    }
    if (answer.state === '42501') return refused
    if (answer.state !== '00000') {
      const control = outcomes.length > 1 ? outcomes.at(-1) : undefined
      const cameFurther = control !== undefined && control.state !== '' && control.state !== answer.state
      return cameFurther ? refused : untested(`stopped by ${answer.state} before its work`)
    }
    return recognisable ? refused : untested('nothing by which to recognise a row of the other tenant in the answer')
  }
}
