import type { GuideTest } from './guide-test.ts'
import { performanceRatio } from './tests/performance.ts'
import { orphansAcross, orphansInside } from './tests/references.ts'
import { restart } from './tests/restart.ts'
import { completeness, content } from './tests/rows.ts'
import { migrations, safeSequences } from './tests/schema.ts'
import { noQueryAcross, noTransactionAcross } from './tests/statements.ts'
import { isolation, security } from './tests/users.ts'
import { wayBack } from './tests/way-back.ts'

/**
 * The tests in the order in which they run. Those that compare rows come last: they open the move as the next step of it
 * would, which mends what the others look for.
 */
export const guide: readonly GuideTest[] = [
  isolation,
  security,
  noQueryAcross,
  noTransactionAcross,
  migrations,
  safeSequences,
  orphansInside,
  orphansAcross,
  wayBack,
  restart,
  performanceRatio,
  completeness,
  content,
]
