import { ImhotepError } from '@imhotep/base'
import type { Split } from '../split.ts'
import { fail, notApplicable, type Answer, type GuideTest } from './guide-test.ts'
import { guide } from './guide.ts'
import { readFacts, type ServiceFacts } from './service-facts.ts'

export interface GuideResult extends Answer {
  readonly service: string
  /** Counted from 1. */
  readonly number: number
  readonly name: string
  readonly asks: string
}

export interface GuideReport {
  readonly source: string
  readonly at: Date
  readonly results: readonly GuideResult[]
  readonly passed: number
  readonly failed: number
  readonly notApplicable: number
}

/** Asks every question of the guide about the services, all of the plan by default. */
export async function runGuide(
  split: Split,
  options: {
    readonly services?: readonly string[]
    /** Names of the tests to run; all by default. */
    readonly tests?: readonly string[]
    readonly signal: AbortSignal
    readonly say?: (text: string) => void
  },
): Promise<GuideReport> {
  const plan = await split.plan()
  const results: GuideResult[] = []
  for (const name of options.services ?? plan.services.map((service) => service.name)) {
    const service = await split.servicePlan(name)
    const facts = await readFacts(split, plan, service, options.signal)
    for (const [at, test] of guide.entries()) {
      if (options.tests && !options.tests.includes(test.name)) continue
      options.signal.throwIfAborted()
      options.say?.(`${name}: ${test.name}`)
      const { verdict, reason } = await ask(test, facts)
      results.push({ service: name, number: at + 1, name: test.name, asks: test.asks, verdict, reason })
    }
  }
  const counted = (verdict: Answer['verdict']) => results.filter((result) => result.verdict === verdict).length
  return {
    source: plan.source,
    at: new Date(),
    results,
    passed: counted('pass'),
    failed: counted('fail'),
    notApplicable: counted('not applicable'),
  }
}

async function ask(test: GuideTest, facts: ServiceFacts | null): Promise<Answer> {
  if (facts === null) return notApplicable('it has no database of its own yet')
  try {
    return await test.run(facts)
  } catch (error) {
    facts.signal.throwIfAborted()
    // A text of the server may hold a value of a row.
    const code = (error as { sqlstate?: string }).sqlstate
    if (code !== undefined) return fail(`it could not be asked: the server answered ${code}`)
    if (error instanceof ImhotepError) return fail(`it could not be asked: ${error.message}`)
    throw error
  }
}
