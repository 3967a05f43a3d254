import { declaredValues } from '../../parse/declared-values.ts'
import { parsePlpgsql } from '../../parse/parser.ts'

/** The trees of PL/pgSQL, as far as they are read here. */
export interface Expression {
  readonly PLpgSQL_expr?: { readonly query?: string; readonly parseMode?: number }
}

interface Target {
  readonly PLpgSQL_row?: { readonly fields?: { readonly name: string }[] }
  readonly PLpgSQL_rec?: { readonly refname: string }
  readonly PLpgSQL_var?: { readonly refname: string }
}

interface Common {
  readonly lineno?: number
  readonly label?: string
}

export type Statements = readonly Statement[]

interface Branch {
  readonly cond?: Expression
  readonly expr?: Expression
  readonly stmts?: Statements
  readonly body?: Statements
  readonly then_body?: Statements
}

export interface ExceptionBlock {
  readonly exc_list?: {
    readonly PLpgSQL_exception: {
      readonly conditions: { readonly PLpgSQL_condition: { readonly condname: string } }[]
      readonly action?: Statements
    }
  }[]
}

export interface Statement {
  readonly PLpgSQL_stmt_block?: Common & {
    readonly body?: Statements
    readonly exceptions?: { readonly PLpgSQL_exception_block: ExceptionBlock }
  }
  readonly PLpgSQL_stmt_if?: Common & {
    readonly cond: Expression
    readonly then_body?: Statements
    readonly elsif_list?: { readonly PLpgSQL_if_elsif: { readonly cond: Expression; readonly stmts?: Statements } }[]
    readonly else_body?: Statements
  }
  readonly PLpgSQL_stmt_case?: Common & {
    readonly t_expr?: Expression
    readonly case_when_list?: {
      readonly PLpgSQL_case_when: { readonly expr: Expression; readonly stmts?: Statements }
    }[]
    readonly have_else?: boolean
    readonly else_stmts?: Statements
  }
  readonly PLpgSQL_stmt_execsql?: Common & {
    readonly sqlstmt: Expression
    readonly into?: boolean
    readonly target?: Target
  }
  readonly PLpgSQL_stmt_dynexecute?: Common & {
    readonly query: Expression
    readonly into?: boolean
    readonly target?: Target
  }
  readonly PLpgSQL_stmt_perform?: Common & { readonly expr: Expression }
  readonly PLpgSQL_stmt_call?: Common & { readonly expr: Expression }
  readonly PLpgSQL_stmt_assign?: Common & { readonly expr: Expression }
  readonly PLpgSQL_stmt_foreach_a?: Common & {
    readonly varno: number
    readonly expr: Expression
    readonly body?: Statements
  }
  readonly PLpgSQL_stmt_fori?: Common & {
    readonly var: Target
    readonly lower: Expression
    readonly upper: Expression
    readonly step?: Expression
    readonly reverse?: boolean
    readonly body?: Statements
  }
  readonly PLpgSQL_stmt_fors?: Common & { readonly var: Target; readonly query: Expression; readonly body?: Statements }
  readonly PLpgSQL_stmt_dynfors?: Common & {
    readonly var: Target
    readonly query: Expression
    readonly body?: Statements
  }
  readonly PLpgSQL_stmt_while?: Common & { readonly cond: Expression; readonly body?: Statements }
  readonly PLpgSQL_stmt_loop?: Common & { readonly body?: Statements }
  readonly PLpgSQL_stmt_exit?: Common & { readonly is_exit?: boolean; readonly cond?: Expression }
  readonly PLpgSQL_stmt_return?: Common & { readonly expr?: Expression }
  readonly PLpgSQL_stmt_raise?: Common & { readonly elog_level?: number; readonly condname?: string }
}

export interface Body {
  readonly statements: Statements
  readonly exceptions: ExceptionBlock | undefined
  /** Names of variables by number, with the expression that each starts with. */
  readonly variables: readonly { readonly name: string; readonly type: string; readonly start: string | null }[]
}

interface Tree {
  plpgsql_funcs?: {
    PLpgSQL_function?: {
      datums?: { PLpgSQL_var?: Datum; PLpgSQL_rec?: Datum }[]
      action?: Pick<Statement, 'PLpgSQL_stmt_block'>
    }
  }[]
}

interface Datum {
  readonly refname: string
  readonly default_val?: Expression
  readonly datatype?: { readonly PLpgSQL_type?: { readonly typname?: string } }
}

/** The tree of a DO block or of a function, given as its whole statement; null when it does not parse. */
export function plpgsqlBody(text: string): Body | null {
  const [parsed] = (parsePlpgsql(text) as Tree | null)?.plpgsql_funcs ?? []
  const block = parsed?.PLpgSQL_function?.action?.PLpgSQL_stmt_block
  if (!block) return null
  const datums = parsed?.PLpgSQL_function?.datums ?? []
  // a type that the parser does not know is a record to it, without what the variable starts with
  const declared = datums.some(({ PLpgSQL_rec: record }) => record) ? declaredValues(text) : []
  const variables = datums.map(({ PLpgSQL_var: scalar, PLpgSQL_rec: record }) => {
    const name = (scalar ?? record)?.refname ?? ''
    return {
      name,
      type: (scalar ?? record)?.datatype?.PLpgSQL_type?.typname ?? '',
      start: scalar
        ? (scalar.default_val?.PLpgSQL_expr?.query ?? null)
        : (declared.find((own) => own.name === name)?.text ?? null),
    }
  })
  return { statements: block.body ?? [], exceptions: block.exceptions?.PLpgSQL_exception_block, variables }
}

/** The names that an INTO or a loop assigns to. */
export function targetNames(target: Target | undefined): string[] {
  if (target?.PLpgSQL_row) return (target.PLpgSQL_row.fields ?? []).map((field) => field.name)
  const name = target?.PLpgSQL_rec?.refname ?? target?.PLpgSQL_var?.refname
  return name === undefined ? [] : [name]
}

export function isRecord(target: Target | undefined): boolean {
  return target?.PLpgSQL_rec !== undefined
}

export function queryOf(expression: Expression | undefined): string {
  return expression?.PLpgSQL_expr?.query ?? ''
}

/** All statements inside, at any depth. */
export function* nested(statements: Statements): Generator<Statement> {
  for (const statement of statements) {
    yield statement
    yield* nested(partsOf(statement))
  }
}

function partsOf(statement: Statement): Statements {
  const found: Statement[] = []
  const visit = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return
    if (Array.isArray(value)) return value.forEach(visit)
    for (const [key, child] of Object.entries(value as Branch)) {
      if (key.startsWith('PLpgSQL_stmt_')) found.push({ [key]: child })
      else visit(child)
    }
  }
  for (const content of Object.values(statement)) visit(content)
  return found
}
