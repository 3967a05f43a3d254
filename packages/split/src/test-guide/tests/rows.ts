import { MoveUnderWayError } from '../../ledger/errors.ts'
import type { Mismatch } from '../../protocol/compare.ts'
import type { Verification } from '../../protocol/verify.ts'
import { judgeProblems, notApplicable, type Answer, type GuideTest } from '../guide-test.ts'
import type { ServiceFacts } from '../service-facts.ts'

export const completeness: GuideTest = {
  name: 'completeness',
  asks: 'does every table have the same rows on both sides, none missing and none too many?',
  run: (facts) =>
    ofComparison(facts, ({ tables, rows }) =>
      judgeProblems(
        textsOf(tables, ({ kind }) => kind !== 'different'),
        `${rows} rows of ${tables.length} tables are on both sides`,
      ),
    ),
}

export const content: GuideTest = {
  name: 'content',
  asks: 'is every column of every row the same on both sides, by digest?',
  run: (facts) =>
    ofComparison(facts, ({ tables, rows }) =>
      judgeProblems(
        textsOf(tables, ({ kind }) => kind === 'different'),
        `the digests of ${rows} rows are equal`,
      ),
    ),
}

async function ofComparison(facts: ServiceFacts, judge: (verification: Verification) => Answer): Promise<Answer> {
  const { state, detail } = facts.entry
  try {
    const verification = await facts.compared()
    if (verification) return judge(verification)
  } catch (error) {
    if (error instanceof MoveUnderWayError)
      return notApplicable('another process moves or follows it: stop it and ask again')
    throw error
  }
  if (state !== 'retired') return notApplicable(`there are no two sides to compare while it is ${state}`)
  const last = detail.verified
    ? `${detail.verified.rows} rows were equal at ${detail.verified.at}`
    : 'nothing was compared'
  return notApplicable(`retired: the shared database does not follow any more; ${last}`)
}

function textsOf(tables: Verification['tables'], isMeant: (mismatch: Mismatch) => boolean): string[] {
  return tables.flatMap(({ table, mismatches, truncated }) => {
    const meant = mismatches.filter(isMeant)
    const [first] = meant
    if (!first) return []
    const columns = first.columns.length > 0 ? ` in ${first.columns.join(', ')}` : ''
    return [
      `${table}: ${meant.length}${truncated ? ' or more' : ''} rows, first (${first.key.join(', ')}) ${first.kind}${columns}`,
    ]
  })
}
