import type { Node } from '../../parse/parser.ts'
import type { Fold } from '../files/fold.ts'
import { Undecidable, type Value } from './value.ts'

/** A variable whose value only a running server could tell. */
export const UNDECIDED = Symbol('undecided')

export type Known = Value | typeof UNDECIDED

/** A row of a FROM list under the name that the query gives it. */
export interface Bound {
  readonly alias: string
  readonly columns: ReadonlyMap<string, Value>
}

export type Select = Extract<Node, { SelectStmt: unknown }>['SelectStmt']

/** What names mean while an expression is evaluated. */
export interface Env {
  readonly fold: Fold
  /** Variables of PL/pgSQL, and `$1` .. of SQL. */
  readonly variables: ReadonlyMap<string, Known>
  readonly rows: readonly Bound[]
  readonly outer: Env | null
  /** Names of a WITH clause with their rows. */
  readonly ctes: ReadonlyMap<string, ReadonlyMap<string, Value>[]>
  /** The rows of a query inside an expression. */
  query(select: Select, env: Env): ReadonlyMap<string, Value>[]
  /** Calls a function of the files or one with a known effect; undefined when there is none of that name. */
  call(names: string[], args: Known[], named: ReadonlyMap<string, Known>): Known | undefined
}

/** A column that no row of the FROM list so far has: it may come with the next one. */
export class NotBound extends Undecidable {}

export function withRow(env: Env, row: Bound): Env {
  return { ...env, rows: [...env.rows, row] }
}

/** The scope of a query inside another one. */
export function inside(env: Env): Env {
  return { ...env, rows: [], outer: env }
}
