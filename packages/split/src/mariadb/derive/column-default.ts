import { quoteLiteral } from '@imhotep/engine'
import type { DerivedColumn } from './derived-table.ts'
import { parseExpression, UntranslatableError, type Expression } from './parse-expression.ts'
import { fit, translate } from './translate-expression.ts'

/** The default of a column, null where it has none. @throws UntranslatableError */
export function columnDefault(column: DerivedColumn): string | null {
  const { default: text, generated, identity } = column.shared
  if (text === null || generated !== null || identity) return null
  const value = parseExpression(text)
  if (value.is === 'null') return null
  const literal = literalOf(value)
  if (literal !== null) return literalDefault(column, literal)
  if (value.is === 'call') {
    const known = clockOrUuid(value.name, column)
    if (known !== null) return known
  }
  return expressionDefault(column, value)
}

/** The text of a literal, with its sign; bits as a number. */
function literalOf(value: Expression): string | null {
  if (value.is === 'text' || value.is === 'number') return value.text
  if (value.is === 'bits') return String(BigInt(`0b${value.text || '0'}`))
  if (value.is === 'truth') return value.value ? '1' : '0'
  const inner = value.is === 'unary' && value.operator === '-' ? literalOf(value.operand) : null
  return inner === null ? null : `-${inner}`
}

const zeroDate = /^(0000|\d{4}-00|\d{4}-\d\d-00)/
const timeOfDay = /^([01]?\d|2[0-3]):|^24:00:00(\.0+)?$/

/** MariaDB stores the literal as a value of the column's type: so do we. */
function literalDefault(column: DerivedColumn, text: string): string | null {
  const { family, targetType, type, zeroDate: policy } = column
  switch (family) {
    case 'integer':
    case 'decimal':
    case 'float':
    case 'double':
    case 'bit':
    case 'year':
      if (targetType === 'boolean') {
        if (![0, 1].includes(Number(text))) throw new UntranslatableError('the column is boolean here')
        return String(Number(text) === 1)
      }
      if (!/^-?\d+(\.\d*)?(e[-+]?\d+)?$/i.test(text)) throw new UntranslatableError(`it is no number`)
      if (targetType === 'bigint' && /^\d+$/.test(text) && BigInt(text) >= 2n ** 63n)
        throw new UntranslatableError('it is no bigint')
      return text.replace(/^(-?)0+(?=\d)/, '$1')
    case 'time':
      if (targetType === 'interval' || timeOfDay.test(text)) return quoteLiteral(text)
      throw new UntranslatableError('it is no time of day')
    case 'date':
    case 'datetime':
    case 'timestamp':
      if (!zeroDate.test(text)) return quoteLiteral(family === 'timestamp' ? `${text}+00` : text)
      if (policy === 'null') return null
      if (policy === undefined) throw new UntranslatableError('PostgreSQL has no such date')
      return quoteLiteral(policy.sentinel)
    case 'enum':
      return quoteLiteral(type.labels.find((label) => label.toLowerCase() === text.toLowerCase()) ?? text)
    case 'set':
      return quoteLiteral(`{${text.split(',').filter(Boolean).map(arrayItem).join(',')}}`)
    case 'bytes':
      return quoteLiteral(String.raw`\x${Buffer.from(text).toString('hex')}`)
    default:
      return quoteLiteral(text)
  }
}

function arrayItem(label: string): string {
  return /^[\w-]+$/.test(label) && label.toLowerCase() !== 'null'
    ? label
    : `"${label.replace(/["\\]/g, String.raw`\$&`)}"`
}

/** The clock of MariaDB stands still during a statement, that of `current_timestamp` here during a transaction. */
function clockOrUuid(name: string, { targetType, family }: DerivedColumn): string | null {
  switch (name) {
    case 'current_timestamp':
    case 'now':
      return family === 'datetime' || family === 'timestamp' ? 'statement_timestamp()' : null
    case 'curdate':
    case 'current_date':
      return family === 'date' ? 'current_date' : null
    case 'curtime':
    case 'current_time':
      return family === 'time' && targetType !== 'interval' ? 'localtime' : null
    case 'uuid':
      if (targetType === 'uuid') return 'gen_random_uuid()'
      return family === 'text' ? 'gen_random_uuid()::text' : null
    default:
      return null
  }
}

function expressionDefault(column: DerivedColumn, value: Expression): string {
  const term = translate(value, (name) => {
    throw new UntranslatableError(`it depends on the column '${name}'`)
  })
  return `(${fit(term, column)})`
}
