import type { DerivedColumn } from './derived-table.ts'
import { parseExpression, UntranslatableError, type Expression } from './parse-expression.ts'
import {
  at,
  binds,
  cast,
  columnTerm,
  comparable,
  kindOf,
  nullTerm,
  numberTerm,
  textTerm,
  toCondition,
  toNumber,
  truthTerm,
  unify,
  widened,
  type Kind,
  type Term,
} from './term.ts'
import { translateCall } from './translate-call.ts'

/** What a column's name stands for. @throws UntranslatableError when there is no such column */
export type Resolve = (name: string) => Term

/** A condition of a CHECK. @throws UntranslatableError */
export function translateCheck(expression: string, columns: readonly DerivedColumn[]): string {
  return toCondition(translate(parseExpression(expression), (name) => columnTerm(columnOf(columns, name)))).sql
}

/** The value of a generated column. @throws UntranslatableError */
export function translateGenerated(column: DerivedColumn, columns: readonly DerivedColumn[]): string {
  return fit(generatedTerm(column, columns), column)
}

/** Generated columns cannot refer to each other on PostgreSQL, so the expression of one stands in the other. */
function generatedTerm(column: DerivedColumn, columns: readonly DerivedColumn[]): Term {
  return translate(parseExpression(column.shared.generated ?? ''), (name) => {
    const found = columnOf(columns, name)
    if (found.shared.generated === null) return columnTerm(found)
    const term = generatedTerm(found, columns)
    const value = { ...columnTerm(found), sql: fit(term, found), binds: binds.or }
    return { ...cast(value, found.targetType, kindOf(found)), column: found, scale: value.scale ?? 0 }
  })
}

function columnOf(columns: readonly DerivedColumn[], name: string): DerivedColumn {
  const column = columns.find((candidate) => candidate.name.toLowerCase() === name.toLowerCase())
  if (!column) throw new UntranslatableError(`there is no column '${name}'`)
  return column
}

/** The expression as a value of the column. */
export function fit(term: Term, column: DerivedColumn): string {
  const kind = kindOf(column)
  const fits: Readonly<Partial<Record<Kind, readonly Kind[]>>> = {
    integer: ['integer', 'numeric'],
    numeric: ['integer', 'numeric'],
    double: ['integer', 'numeric', 'double'],
    text: ['text', 'enum'],
    timestamp: ['timestamp', 'date'],
  }
  if (term.kind === 'null' || term.kind === kind || fits[kind]?.includes(term.kind)) return term.sql
  if (kind === 'integer' && term.kind === 'boolean') return cast(term, 'integer', 'integer').sql
  if (kind === 'text' && term.kind === 'integer') return cast(term, 'text', 'text').sql
  if (kind === 'date' && term.kind === 'timestamp') return cast(term, 'date', 'date').sql
  throw new UntranslatableError(`its value is no ${column.targetType}`)
}

export function translate(expression: Expression, resolve: Resolve): Term {
  const inner = (part: Expression) => translate(part, resolve)
  switch (expression.is) {
    case 'column':
      return resolve(expression.name)
    case 'number':
      return numberTerm(expression.text)
    case 'bits':
      return numberTerm(String(BigInt(`0b${expression.text || '0'}`)))
    case 'text':
      return textTerm(expression.text)
    case 'null':
      return nullTerm
    case 'truth':
      return truthTerm(expression.value)
    case 'unary':
      return expression.operator === 'not' ? negated(inner(expression.operand)) : minus(inner(expression.operand))
    case 'binary':
      return binary(expression.operator, inner(expression.left), inner(expression.right))
    case 'null test': {
      const operand = at(binds.compare, inner(expression.operand))
      return { sql: `${operand} is ${expression.not ? 'not ' : ''}null`, binds: binds.is, kind: 'boolean' }
    }
    case 'in':
      return inList(inner(expression.operand), expression.items.map(inner), expression.not)
    case 'between': {
      const [operand, low] = comparable(inner(expression.operand), inner(expression.low), false)
      const [, high] = comparable(operand, inner(expression.high), false)
      const range = [operand, low, high].map((term) => at(binds.concat, term)) as [string, string, string]
      const not = expression.not ? 'not ' : ''
      return { sql: `${range[0]} ${not}between ${range[1]} and ${range[2]}`, binds: binds.in, kind: 'boolean' }
    }
    case 'case':
      return translateCase(expression, inner)
    default:
      return call(expression.name, expression.args, resolve)
  }
}

function call(name: string, args: readonly Expression[], resolve: Resolve): Term {
  let isConstant = true
  const terms = args.map((part) =>
    translate(part, (column) => {
      isConstant = false
      return resolve(column)
    }),
  )
  // PostgreSQL computes it before it knows the collation, and refuses it therefore
  if (isConstant) throw new UntranslatableError(`${name} is called without any column`)
  return translateCall(name, terms)
}

function negated(operand: Term): Term {
  return { sql: `not ${at(binds.not, toCondition(operand))}`, binds: binds.not, kind: 'boolean' }
}

function minus(operand: Term): Term {
  const number = toNumber(operand)
  const literal = number.literal === undefined ? {} : { literal: `-${number.literal}` }
  // two signs would begin a comment
  const sql = number.sql.startsWith('-') ? `(${number.sql})` : at(binds.cast, number)
  return { ...number, ...literal, sql: `-${sql}`, binds: binds.sign }
}

function inList(operand: Term, items: readonly Term[], not: boolean): Term {
  const pairs = items.map((item) => comparable(operand, item, true))
  const left = new Set(pairs.map(([term]) => at(binds.concat, term)))
  if (left.size !== 1) throw new UntranslatableError('it compares values of different types')
  const list = pairs.map(([, item]) => item.sql).join(', ')
  return { sql: `${[...left].join('')} ${not ? 'not in' : 'in'} (${list})`, binds: binds.in, kind: 'boolean' }
}

function translateCase(
  { subject, branches, otherwise }: Extract<Expression, { is: 'case' }>,
  inner: (part: Expression) => Term,
): Term {
  const compared = subject === null ? null : inner(subject)
  const conditions = branches.map(([when]) =>
    compared === null ? toCondition(inner(when)).sql : compare('=', compared, inner(when)).sql,
  )
  const values = branches.map(([, then]) => inner(then))
  const { terms, kind, scale } = unify([...values, ...(otherwise === null ? [] : [inner(otherwise)])])
  const cases = conditions.map((condition, n) => `when ${condition} then ${terms[n]?.sql ?? 'null'}`)
  const last = terms[conditions.length]
  return {
    sql: `case ${cases.join(' ')}${last === undefined ? '' : ` else ${last.sql}`} end`,
    binds: binds.alone,
    kind,
    scale,
    narrow: kind === 'integer',
  }
}

function binary(operator: string, left: Term, right: Term): Term {
  switch (operator) {
    case 'and':
    case 'or':
      return {
        sql: [left, right].map((term) => at(binds[operator], toCondition(term))).join(` ${operator} `),
        binds: binds[operator],
        kind: 'boolean',
      }
    case 'xor':
      return {
        sql: [left, right].map((term) => at(binds.in, toCondition(term))).join(' <> '),
        binds: binds.compare,
        kind: 'boolean',
      }
    case '+':
    case '-':
    case '*':
    case '/':
    case 'mod':
    case 'div':
      return calculate(operator, toNumber(left), toNumber(right))
    case 'like':
      throw new UntranslatableError('LIKE knows no upper and lower case there, and does here')
    default:
      return compare(operator, left, right)
  }
}

function compare(operator: string, left: Term, right: Term): Term {
  const isEquality = ['=', '<>', '<=>'].includes(operator)
  const [a, b] = comparable(left, right, isEquality).map((term) => at(binds.in, term))
  if (operator === '<=>') return { sql: `${a} is not distinct from ${b}`, binds: binds.is, kind: 'boolean' }
  return { sql: `${a} ${operator} ${b}`, binds: binds.compare, kind: 'boolean' }
}

const groupDigits = 9
const divisionDigits = 4

/**
 * MariaDB keeps decimals in groups of nine digits, and cuts a quotient behind as many groups as hold four digits more than
 * the dividend and the divisor have. By zero it is null.
 */
function quotientScale(dividend: number, divisor: number): number {
  const whole = (scale: number) => Math.ceil(scale / groupDigits) * groupDigits
  const spare = whole(dividend) - dividend + whole(divisor) - divisor
  return whole(whole(dividend) + whole(divisor) + Math.max(0, divisionDigits - spare))
}

/** MariaDB has 38 digits behind the point, and cuts what is beyond in its own way. */
function checkedScale(scale: number): number {
  if (scale > 30) throw new UntranslatableError('it calculates with too many digits behind the point')
  return scale
}

function calculate(operator: '+' | '-' | '*' | '/' | 'mod' | 'div', left: Term, right: Term): Term {
  const isDouble = left.kind === 'double' || right.kind === 'double'
  const isInteger = left.kind === 'integer' && right.kind === 'integer'
  const kind = isDouble ? 'double' : isInteger ? 'integer' : 'numeric'
  const [a, b] = [left.scale ?? 0, right.scale ?? 0]
  const divisor = right.literal !== undefined && Number(right.literal) !== 0 ? right.sql : `nullif(${right.sql}, 0)`
  switch (operator) {
    case '+':
    case '-': {
      const sql = `${at(binds.add, widened(left))} ${operator} ${at(binds.multiply, right)}`
      return { sql, binds: binds.add, kind, scale: Math.max(a, b) }
    }
    case '*': {
      const sql = `${at(binds.multiply, widened(left))} * ${at(binds.sign, right)}`
      return { sql, binds: binds.multiply, kind, scale: checkedScale(a + b) }
    }
    case '/': {
      if (isDouble) return { sql: `${at(binds.multiply, widened(left))} / ${divisor}`, binds: binds.multiply, kind }
      const scale = checkedScale(quotientScale(a, b))
      const sql = `div(${at(binds.multiply, left)} * 1e${scale}, ${divisor}) * 1e-${scale}`
      return { sql, binds: binds.multiply, kind: 'numeric', scale }
    }
    default: {
      if (!isInteger) throw new UntranslatableError('it has a remainder of numbers with digits behind the point')
      if (operator === 'mod') return { sql: `mod(${widened(left).sql}, ${divisor})`, binds: binds.alone, kind }
      return { sql: `${at(binds.multiply, widened(left))} / ${divisor}`, binds: binds.multiply, kind }
    }
  }
}
