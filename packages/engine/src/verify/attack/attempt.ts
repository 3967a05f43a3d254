/** One thing tried. Steps run each in a savepoint of their own, all rolled back; the judge sees their outcomes. */
export interface Attempt {
  /** `schema.table`, `schema.view`, `schema.function(types)`, or a role. */
  readonly object: string
  /** What was tried, with the role: `imhotep_app: read by id`. */
  readonly attempt: string
  readonly steps: readonly Step[]
  judge(outcomes: readonly Outcome[]): Verdict
}

export interface Step {
  readonly role: string
  /** The tenant that the request context names; null for no context at all. */
  readonly tenant: string | null
  readonly sql: string
  /** Statements before, in the same savepoint and role, each with the tenant of its own. */
  readonly before?: readonly { readonly tenant: string | null; readonly sql: string }[]
  /**
   * Silences triggers and foreign keys, so that the policy alone answers: a row check comes before every other check
   * of a row, therefore any error but a refusal means that the policy let the row pass.
   */
  readonly policyOnly?: boolean
  /** Query that gives `$1` (jsonb) of `sql`; it runs before the role is taken, so it may read any row. */
  readonly row?: string
  /** Name of a prepared statement to drop afterwards. */
  readonly prepared?: string
  /** Runs only when the two steps before it ended differently. Else its state is ''. */
  readonly afterDifference?: boolean
  /** Runs only when that many steps before it ended in one and the same error, other than 42501. Else its state is ''. */
  readonly afterErrors?: number
  /** A role that attacks is a member of this one for the step. */
  readonly memberOf?: string
  /** For calls of functions: what is looked for in the answer and in the tables. */
  readonly call?: Call
}

export interface Call {
  /** Identifiers and marks whose appearance in the answer is a leak. */
  readonly canaries: readonly string[]
  /** What the calls of the attempt pass in; it is masked before answers are compared. */
  readonly passed: readonly string[]
  /** The tenant whose rows must not change. */
  readonly victim: string
}

export interface Outcome {
  /** SQLSTATE; `00000` when the statement went through, empty when it did not run. */
  readonly state: string
  /** Rows returned or changed. */
  readonly rows: number
  /** 'policy' or 'privilege' for a 42501 that guards the object itself, 'other' for any other text. */
  readonly refusedBy: 'policy' | 'privilege' | 'other' | null
  readonly constraint: string
  /** Hash of the masked answer or error text of a call. */
  readonly answer: string
  /** Canaries in the answer of a call. */
  readonly leaked: number
  /** Rows of the victim that a call changed or removed. */
  readonly changed: number
}

export type Verdict =
  | { readonly kind: 'refused' }
  /** `evidence` holds counts and ids, never values. */
  | { readonly kind: 'through'; readonly evidence: string }
  | { readonly kind: 'untested'; readonly reason: string }

export const refused: Verdict = { kind: 'refused' }

export function through(evidence: string): Verdict {
  return { kind: 'through', evidence }
}

export function untested(reason: string): Verdict {
  return { kind: 'untested', reason }
}
