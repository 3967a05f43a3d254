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
      for (const constraint of table.constraints.values()) {
        if (constraint.validated) continue
        yield {
          position: constraint.position,
          object: name,
          message: `no file validates '${constraint.name}' of '${name}'`,
        }
      }
    }
  },
}
