import type { ServiceFacts } from './service-facts.ts'

/** One question about a service that is on its way to its own database or has arrived there. */
export interface GuideTest {
  readonly name: string
  /** The question, answered by yes when it passes. */
  readonly asks: string
  run(facts: ServiceFacts): Promise<Answer>
}

export interface Answer {
  readonly verdict: 'pass' | 'fail' | 'not applicable'
  /** What was looked at, what is wrong and the way out, or why it cannot be asked. Never a value of a row. */
  readonly reason: string
}

export const pass = (reason: string): Answer => ({ verdict: 'pass', reason })
export const fail = (reason: string): Answer => ({ verdict: 'fail', reason })
export const notApplicable = (reason: string): Answer => ({ verdict: 'not applicable', reason })

/** Passes when there is nothing to complain about. */
export function judgeProblems(problems: readonly string[], otherwise: string): Answer {
  if (problems.length === 0) return pass(otherwise)
  const more = problems.length > 5 ? `; and ${problems.length - 5} more` : ''
  return fail(problems.slice(0, 5).join('; ') + more)
}
