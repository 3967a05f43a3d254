import type { LintRule } from '../../rule.ts'

export const constraintNeverValidated: LintRule = {
  id: 'constraint-never-validated',
  family: 'locks',
  severity: 'info',
  // The file that validates comes a deployment later: until then this is what the safe way looks like.
  profile: 'style',
  effect: 'Old rows may break the constraint for ever, and the planner does not count on it.',
  instead: 'alter table .. validate constraint .. in a file of its own.',
  *checkHistory({ catalog }) {
    for (const [name, table] of catalog.tables) {
      const constraints = [...table.constraints.values()].filter(({ validated }) => !validated)
      const notNulls = [...table.columns.values()].flatMap(({ unvalidatedNotNull, notNullPosition }) =>
        unvalidatedNotNull === null ? [] : { name: unvalidatedNotNull, position: notNullPosition },
      )
      for (const { name: constraint, position } of [...constraints, ...notNulls])
        yield { position, object: name, message: `no file validates '${constraint}' of '${name}'` }
    }
  },
}
