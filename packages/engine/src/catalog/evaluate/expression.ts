import { path } from '../../parse/references.ts'
import type { Node } from '../../parse/parser.ts'
import { typeText } from '../files/format-type.ts'
import { NotBound, UNDECIDED, type Env, type Known } from './env.ts'
import { AGGREGATES, FUNCTIONS } from './functions.ts'
import { refOf } from './refs.ts'
import {
  arrayOf,
  compareValues,
  isArray,
  isEqual,
  isRef,
  isRow,
  rowOf,
  textOf,
  toBoolean,
  Undecidable,
  undecided,
  type Value,
} from './value.ts'

/** The value of an expression over the folded catalog. @throws Undecidable */
export function evaluate(node: Node | undefined, env: Env): Value {
  if (!node) return null
  const tag = tagOf(node)
  const rule = RULES[tag]
  if (!rule) return undecided(`the value of ${tag}`)
  return rule((node as unknown as Record<string, Content>)[tag] ?? {}, env)
}

function tagOf(node: Node): string {
  for (const tag in node) return tag
  return ''
}

// Each rule reads one kind of node; the grammar guarantees the shape.
type Content = any

const RULES: Record<string, (content: Content, env: Env) => Value> = {
  A_Const: (constant) => {
    if (constant.isnull) return null
    if ('ival' in constant) return constant.ival.ival ?? 0
    if ('fval' in constant) return Number(constant.fval.fval)
    if ('boolval' in constant) return constant.boolval.boolval ?? false
    return constant.sval?.sval ?? undecided('a bit string')
  },
  ColumnRef: (column, env) => columnValue(path(column.fields), env),
  ParamRef: (param, env) => decided(env.variables.get(`$${param.number}`), `parameter $${param.number}`),
  TypeCast: (cast, env) => castValue(evaluate(cast.arg, env), cast.typeName, env),
  BoolExpr: evaluateBoolean,
  NullTest: (test, env) => {
    const value = evaluate(test.arg, env)
    const parts = isRow(value) ? [...value.row.values()] : [value]
    return parts.every((part) => (part === null) === (test.nulltesttype === 'IS_NULL'))
  },
  BooleanTest: (test, env) => {
    const value = toBoolean(evaluate(test.arg, env))
    const [, not, what] = /^IS_(NOT_)?(TRUE|FALSE|UNKNOWN)$/.exec(test.booltesttype) ?? []
    const isIt = what === 'TRUE' ? value === true : what === 'FALSE' ? value === false : value === null
    return isIt === (not === undefined)
  },
  CoalesceExpr: (expression, env) => {
    for (const arg of expression.args ?? []) {
      const value = evaluate(arg, env)
      if (value !== null) return value
    }
    return null
  },
  CaseExpr: (expression, env) => {
    for (const { CaseWhen: branch } of expression.args ?? []) {
      const test = evaluate(branch.expr, env)
      const subject = expression.arg ? evaluate(expression.arg, env) : true
      if (test !== null && subject !== null && (expression.arg ? isEqual(subject, test) : toBoolean(test) === true))
        return evaluate(branch.result, env)
    }
    return evaluate(expression.defresult, env)
  },
  MinMaxExpr: (expression, env) => {
    const values = (expression.args ?? [])
      .map((arg: Node) => evaluate(arg, env))
      .filter((value: Value) => value !== null)
    const sorted = values.toSorted(compareValues)
    return (expression.op === 'IS_GREATEST' ? sorted.at(-1) : sorted[0]) ?? null
  },
  A_ArrayExpr: (array, env) => (array.elements ?? []).map((item: Node) => evaluate(item, env)),
  A_Expr: evaluateOperator,
  FuncCall: evaluateCall,
  SubLink: evaluateSubLink,
  RowExpr: (row, env) => rowOf((row.args ?? []).map((item: Node) => evaluate(item, env))),
  CollateClause: (clause, env) => evaluate(clause.arg, env),
  A_Indirection: (node, env) => {
    let value = evaluate(node.arg, env)
    for (const item of node.indirection ?? []) {
      if ('A_Indices' in item && !item.A_Indices.is_slice && isArray(value))
        value = value[Number(evaluate(item.A_Indices.uidx, env)) - 1] ?? null
      else if ('String' in item && isRow(value)) value = value.row.get(item.String.sval) ?? undecided('a field')
      else undecided('a part of a value')
    }
    return value
  },
  SQLValueFunction: (node) => {
    if (/CURRENT_(USER|ROLE)|SESSION_USER|SVFOP_USER/.test(node.op)) return ''
    return node.op === 'SVFOP_CURRENT_SCHEMA' ? undecided('current_schema') : undecided('the time or user')
  },
}

export function decided(value: Known | undefined, what: string): Value {
  if (value === undefined || value === UNDECIDED) return undecided(`the value of ${what}`)
  return value
}

function columnValue(fields: string[], env: Env): Value {
  const column = fields.at(-1) ?? ''
  for (let scope: Env | null = env; scope; scope = scope.outer) {
    for (const { alias, columns } of scope.rows) {
      if (fields.length > 1 && alias !== fields.at(-2)) continue
      const value = columns.get(column)
      if (value !== undefined) return value
      if (fields.length > 1) return undecided(`column ${fields.join('.')}`)
    }
  }
  const [first = ''] = fields
  if (fields.length === 1) {
    const whole = env.rows.find(({ alias }) => alias === first)
    if (whole) return { row: whole.columns }
  }
  const variable = env.variables.get(first)
  if (variable === undefined) throw new NotBound(`column ${fields.join('.')}`)
  const value = decided(variable, first)
  if (fields.length === 1) return value
  return isRow(value)
    ? (value.row.get(column) ?? undecided(`field ${fields.join('.')}`))
    : undecided(`field ${fields.join('.')}`)
}

/** A cast; a name becomes the object that it names. */
export function castValue(value: Value, typeName: Content, env: Env): Value {
  if (value === null) return null
  const type = typeText(env.fold, typeName)
  if (type.endsWith('[]')) {
    if (typeof value === 'string') return arrayOf(value).map((item) => castPlain(item, type.slice(0, -2), env))
    return isArray(value) ? value : undecided(`a cast to ${type}`)
  }
  return castPlain(value, type, env)
}

function castPlain(value: Value, type: string, env: Env): Value {
  if (value === null) return null
  if (type.startsWith('reg'))
    return isRef(value)
      ? value
      : (refOf(env.fold, type, textOf(value) ?? '') ?? undecided(`'${textOf(value)}' is no ${type}`))
  switch (type.replace(/\(.*\)/, '')) {
    case 'text':
    case 'name':
    case 'character varying':
    case '"char"':
      return isRow(value) ? undecided('a row as text') : textOf(value)
    case 'integer':
    case 'bigint':
    case 'smallint':
    case 'numeric':
    case 'double precision':
    case 'real': {
      if (isRef(value)) return undecided('an oid as a number')
      const number = Number(textOf(value))
      return Number.isNaN(number) ? undecided(`'${textOf(value)}' as a number`) : number
    }
    case 'boolean':
      return toBoolean(value)
    case 'oid':
    case 'uuid':
    case 'json':
    case 'jsonb':
      return value
    default:
      return typeof value === 'string' ? value : undecided(`a cast to ${type}`)
  }
}

/** Stops at the first part that decides; a part that cannot be told matters only when no other one decides. */
function evaluateBoolean(expression: Content, env: Env): Value {
  if (expression.boolop === 'NOT_EXPR') {
    const value = toBoolean(evaluate(expression.args[0], env))
    return value === null ? null : !value
  }
  const decisive = expression.boolop === 'OR_EXPR'
  let open: unknown
  let isNull = false
  for (const arg of expression.args) {
    try {
      const value = toBoolean(evaluate(arg, env))
      if (value === decisive) return decisive
      isNull ||= value === null
    } catch (error) {
      if (!(error instanceof Undecidable)) throw error
      open ??= error
    }
  }
  if (open !== undefined) throw open
  return isNull ? null : !decisive
}

function evaluateOperator(expression: Content, env: Env): Value {
  const operator = path(expression.name).at(-1) ?? ''
  const left = expression.lexpr ? evaluate(expression.lexpr, env) : null
  if (expression.kind === 'AEXPR_IN') {
    const items: Node[] = expression.rexpr.List.items
    const value = anyOf(
      '=',
      left,
      items.map((item) => evaluate(item, env)),
    )
    return value === null ? null : value === (operator === '=')
  }
  if (expression.kind === 'AEXPR_BETWEEN' || expression.kind === 'AEXPR_NOT_BETWEEN') {
    const [low, high] = expression.rexpr.List.items.map((item: Node) => evaluate(item, env))
    if (left === null || low === null || high === null) return null
    const isBetween = compareValues(left, low) >= 0 && compareValues(left, high) <= 0
    return isBetween === (expression.kind === 'AEXPR_BETWEEN')
  }
  const right = evaluate(expression.rexpr, env)
  switch (expression.kind) {
    case 'AEXPR_OP_ANY':
      return right === null ? null : anyOf(operator, left, listOf(right))
    case 'AEXPR_OP_ALL': {
      if (right === null) return null
      const results = listOf(right).map((item) => operate(operator, left, item))
      return results.includes(false) ? false : results.includes(null) ? null : true
    }
    case 'AEXPR_DISTINCT':
    case 'AEXPR_NOT_DISTINCT': {
      const isSame = left === null || right === null ? left === right : isEqual(left, right)
      return isSame === (expression.kind === 'AEXPR_NOT_DISTINCT')
    }
    case 'AEXPR_NULLIF':
      return left !== null && right !== null && isEqual(left, right) ? null : left
    default:
      if (!expression.lexpr)
        return right === null ? null : operator === '-' ? -Number(textOf(right)) : undecided(operator)
      return operate(operator, left, right)
  }
}

function listOf(value: Value): readonly Value[] {
  if (isArray(value)) return value
  return typeof value === 'string' ? arrayOf(value) : undecided('an array')
}

function anyOf(operator: string, left: Value, items: readonly Value[]): boolean | null {
  const results = items.map((item) => operate(operator, left, item))
  return results.includes(true) ? true : results.includes(null) ? null : false
}

function operate(operator: string, left: Value, right: Value): Value {
  if (left === null || right === null) return null
  switch (operator) {
    case '=':
      return isEqual(left, right)
    case '<>':
    case '!=':
      return !isEqual(left, right)
    case '<':
      return compareValues(left, right) < 0
    case '>':
      return compareValues(left, right) > 0
    case '<=':
      return compareValues(left, right) <= 0
    case '>=':
      return compareValues(left, right) >= 0
    case '||':
      if (isArray(left) || isArray(right))
        return [...(isArray(left) ? left : [left]), ...(isArray(right) ? right : [right])]
      return `${textOf(left)}${textOf(right)}`
    case '+':
    case '-':
    case '*':
    case '/':
    case '%':
    case '&':
    case '|':
      return arithmetic(operator, numberOf(left), numberOf(right))
    case '~':
    case '~*':
    case '!~':
    case '!~*':
      return matches(textOf(left) ?? '', textOf(right) ?? '', operator.endsWith('*')) !== operator.startsWith('!')
    case '~~':
    case '~~*':
    case '!~~':
    case '!~~*':
      return isLike(textOf(left) ?? '', textOf(right) ?? '', operator.endsWith('*')) !== operator.startsWith('!')
    case '<@':
      return listOf(left).every((item) => listOf(right).some((other) => isEqual(item, other)))
    case '@>':
      return operate('<@', right, left)
    default:
      return undecided(`operator ${operator}`)
  }
}

function numberOf(value: Value): number {
  if (typeof value === 'number') return value
  const number = typeof value === 'string' ? Number(value) : Number.NaN
  return Number.isNaN(number) ? undecided('arithmetic') : number
}

function arithmetic(operator: string, left: number, right: number): number {
  switch (operator) {
    case '+':
      return left + right
    case '-':
      return left - right
    case '*':
      return left * right
    case '/':
      return right === 0 ? undecided('a division by zero') : Math.trunc(left / right)
    case '%':
      return left % right
    case '&':
      return left & right
    default:
      return left | right
  }
}

function matches(text: string, pattern: string, isBlind: boolean): boolean {
  try {
    return new RegExp(pattern, isBlind ? 'iu' : 'u').test(text)
  } catch {
    return undecided(`pattern ${pattern}`)
  }
}

function isLike(text: string, pattern: string, isBlind: boolean): boolean {
  const parts = pattern.match(/\\.|%|_|[^\\%_]+/gs) ?? []
  const source = parts.map((part) => {
    if (part === '%') return '.*'
    if (part === '_') return '.'
    return (part.startsWith('\\') ? part.slice(1) : part).replaceAll(/[.*+?^${}()|[\]\\/-]/g, String.raw`\$&`)
  })
  return new RegExp(`^${source.join('')}$`, isBlind ? 'is' : 's').test(text)
}

function evaluateCall(call: Content, env: Env): Value {
  const names = path(call.funcname)
  const name = names.at(-1) ?? ''
  const isBuiltIn = names.length === 1 || names[0] === 'pg_catalog'
  if (isBuiltIn && AGGREGATES.has(name)) return undecided(`aggregate ${name}`)
  const positional: Known[] = []
  const named = new Map<string, Known>()
  for (const arg of (call.args ?? []) as Node[]) {
    if ('NamedArgExpr' in arg) named.set(arg.NamedArgExpr.name ?? '', attempt(arg.NamedArgExpr.arg, env))
    else positional.push(attempt(arg, env))
  }
  const answer = env.call(names, positional, named)
  if (answer !== undefined) return decided(answer, `${names.join('.')}()`)
  const builtIn = isBuiltIn ? FUNCTIONS[name] : undefined
  if (!builtIn) return undecided(`call of ${names.join('.')}`)
  return builtIn(
    positional.map((arg) => decided(arg, 'an argument')),
    env.fold,
  )
}

/** The value, or that it cannot be told. */
export function attempt(node: Node | undefined, env: Env): Known {
  try {
    return evaluate(node, env)
  } catch (error) {
    if (error instanceof NotBound || !(error instanceof Undecidable)) throw error
    return UNDECIDED
  }
}

function evaluateSubLink(link: Content, env: Env): Value {
  const rows = env.query(link.subselect.SelectStmt, env)
  const first = (row: (typeof rows)[number]): Value => [...row.values()][0] ?? null
  switch (link.subLinkType) {
    case 'EXISTS_SUBLINK':
      return rows.length > 0
    case 'EXPR_SUBLINK':
      return rows[0] ? first(rows[0]) : null
    case 'ARRAY_SUBLINK':
      return rows.map(first)
    case 'ANY_SUBLINK': {
      const value = evaluate(link.testexpr, env)
      const items = isRow(value) ? rows.map((row): Value => ({ row })) : rows.map(first)
      return anyOf(path(link.operName).at(-1) ?? '=', value, items)
    }
    default:
      return undecided('a sub-select')
  }
}
