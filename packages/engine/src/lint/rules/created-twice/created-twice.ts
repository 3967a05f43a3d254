import { existingNames } from '../../history/existing-names.ts'
import { existingObject } from '../../history/existing-object.ts'
import { mayHaveGone } from '../../history/may-have-gone.ts'
import type { LintRule } from '../../rule.ts'

export const createdTwice: LintRule = {
  id: 'created-twice',
  family: 'history',
  severity: 'error',
  effect: 'The history stops at the second one on every new database.',
  instead: 'Remove one of the two; to change what the first one made, alter it.',
  *check(statement, moment) {
    const object = existingObject(statement, moment.catalog)
    const names = existingNames(statement, moment.catalog).filter((own) => !mayHaveGone(own, moment))
    for (const { kind, name, position } of [...(object && !object.tolerated ? [object] : []), ...names]) {
      yield {
        object: name,
        message: `${kind} '${name}' exists already`,
        related: position ? [{ ...position, message: 'created first here' }] : [],
      }
    }
  },
}
