import { existingObject } from '../../history/existing-object.ts'
import type { LintRule } from '../../rule.ts'

export const createdTwice: LintRule = {
  id: 'created-twice',
  family: 'history',
  severity: 'error',
  effect: 'The history stops at the second one on every new database.',
  instead: 'Remove one of the two; to change what the first one made, alter it.',
  *check(statement, { catalog }) {
    const existing = existingObject(statement, catalog)
    if (!existing || existing.tolerated) return
    yield {
      object: existing.name,
      message: `${existing.kind} '${existing.name}' exists already`,
      related: existing.position ? [{ ...existing.position, message: 'created first here' }] : [],
    }
  },
}
