export type PartKind = 'trigger' | 'policy' | 'rule' | 'constraint'

/** What belongs to a table or view and has a name of its own there, by what the grammar calls it. */
export const partKinds: Readonly<Record<string, PartKind>> = {
  OBJECT_TRIGGER: 'trigger',
  OBJECT_POLICY: 'policy',
  OBJECT_RULE: 'rule',
  OBJECT_TABCONSTRAINT: 'constraint',
}
