import type { Constraint } from './model.ts'

/** A check with the fields that only other kinds of constraints fill. */
export function checkConstraint(
  check: Pick<Constraint, 'name' | 'definition' | 'columns'> &
    Partial<Pick<Constraint, 'validated' | 'comment' | 'position'>>,
): Constraint {
  return {
    kind: 'check',
    references: null,
    referencedColumns: [],
    onDelete: null,
    onUpdate: null,
    deferrable: false,
    initiallyDeferred: false,
    validated: true,
    comment: null,
    ...check,
  }
}
