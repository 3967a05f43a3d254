import { quoteIdentifier, quoteLiteral } from '../../bundle/quote.ts'
import type { Catalog } from '../../catalog/model.ts'
import type { VerifyPolicy } from '../../verify/policy.ts'
import { quoteKey } from '../../print/sql-text.ts'

/** One statement that the baseline adds to the export, and the rule of verify that asks for it. */
export interface Addition {
  readonly rule: string
  /** As differences name it: `column a.b.c`, `constraint k on a.b`, `table a.b`. */
  readonly object: string
  /** One statement or several, each with its semicolon. */
  readonly sql: string
}

/** What a person has to look at: nothing that a program may decide. */
export interface Advice {
  readonly rule: string
  readonly object: string
  readonly message: string
}

export interface AdditionOptions {
  readonly tenant?: boolean
  readonly rls?: boolean
  readonly audit?: boolean
  readonly compliance?: boolean
  /** Whose the rows are that are there already. */
  readonly tenantDefault?: string
}

/** What the makers of additions share. */
export interface Drafting {
  /** The schema before the additions. */
  readonly catalog: Catalog
  readonly policy: VerifyPolicy
  readonly options: AdditionOptions
  readonly additions: Addition[]
  readonly advice: Advice[]
}

/** Records a statement; the semicolon is added. */
export function add({ additions }: Drafting, rule: string, object: string, ...statements: string[]): void {
  additions.push({ rule, object, sql: statements.map((statement) => `${statement};`).join('\n') })
}

export function advise({ advice }: Drafting, rule: string, object: string, message: string): void {
  advice.push({ rule, object, message })
}

/** The comment of a column that was added, where the schema's comments carry tags. */
export function describeColumn(draft: Drafting, table: string, column: string, about: string): void {
  if (!draft.options.compliance) return
  const target = `${quoteKey(table)}.${quoteIdentifier(column)}`
  const text = quoteLiteral(`about=${about}`)
  add(draft, 'comments-complete', `column ${table}.${column}`, `comment on column ${target} is ${text}`)
}
