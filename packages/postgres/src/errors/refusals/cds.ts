import { refuse } from '../define.ts'

// Decision support: IM41x.
export const RuleTestFailedError = refuse(
  'IM410',
  'RuleTestFailedError',
  'IMH_RULE_TEST_FAILED',
  'the rule does not pass its test cases',
  'run cds.test_rule, correct the rule or its test cases, then activate it',
)
