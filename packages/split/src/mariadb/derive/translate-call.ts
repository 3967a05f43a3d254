import { UntranslatableError } from './parse-expression.ts'
import { at, binds, cast, isNumber, toCondition, toNumber, unify, type Kind, type Term } from './term.ts'

/** A call of a function that PostgreSQL has as well, or something that comes to the same. @throws UntranslatableError */
export function translateCall(name: string, args: readonly Term[]): Term {
  const translation = Object.hasOwn(functions, name) ? functions[name] : undefined
  if (!translation) throw new UntranslatableError(`the function ${name} has no equal that is known here`)
  return translation(args)
}

const functions: Readonly<Record<string, (args: readonly Term[]) => Term>> = {
  concat,
  ifnull: coalesce,
  coalesce,
  if: ([condition, then, otherwise]) => {
    const { terms, kind, scale } = unify([given(then), given(otherwise)])
    const sql = `case when ${toCondition(given(condition)).sql} then ${terms[0]?.sql} else ${terms[1]?.sql} end`
    return { sql, binds: binds.alone, kind, scale, narrow: kind === 'integer' }
  },
  isnull: ([operand]) => ({ sql: `${at(binds.compare, given(operand))} is null`, binds: binds.is, kind: 'boolean' }),
  abs: ([operand]) => ({ ...call('abs', toNumber(given(operand))), narrow: true }),
  ceiling: wholeNumber('ceil'),
  ceil: wholeNumber('ceil'),
  floor: wholeNumber('floor'),
  round,
  lcase: inCase('lower'),
  lower: inCase('lower'),
  ucase: inCase('upper'),
  upper: inCase('upper'),
  trim: onText('trim'),
  ltrim: onText('ltrim'),
  rtrim: onText('rtrim'),
  char_length: onText('char_length', 'integer'),
  length: bytes,
  octet_length: bytes,
  left: ([operand, length]) => slice('left', operand, length),
  right: ([operand, length]) => slice('right', operand, length),
  substr,
  substring: substr,
  year: partOfDate('year'),
  month: partOfDate('month'),
  dayofmonth: partOfDate('day'),
  date: ([operand]) => cast(moment(operand), 'date', 'date'),
}

function given(term: Term | undefined): Term {
  if (!term) throw new UntranslatableError('a function has fewer arguments than expected')
  return term
}

function call(name: string, ...args: readonly Term[]): Term {
  const [first] = args
  return {
    sql: `${name}(${args.map(({ sql }) => sql).join(', ')})`,
    binds: binds.alone,
    kind: first?.kind ?? 'other',
    scale: first?.scale ?? 0,
  }
}

/** PostgreSQL's own concat depends on settings, so that generated columns refuse it; and it takes null for nothing. */
function concat(args: readonly Term[]): Term {
  const texts = args.map((term) => {
    if (term.kind === 'text' || term.kind === 'enum') return at(binds.add, term)
    if (term.kind === 'integer') return cast(term, 'text', 'text').sql
    if (term.kind === 'numeric' && term.column) return cast(term, 'text', 'text').sql
    throw new UntranslatableError('it makes a text of something that has another text here')
  })
  return { sql: texts.join(' || '), binds: binds.concat, kind: 'text' }
}

function coalesce(args: readonly Term[]): Term {
  const { terms, kind, scale } = unify(args)
  return { ...call('coalesce', ...terms), kind, scale, narrow: kind === 'integer' }
}

function wholeNumber(name: string): (args: readonly Term[]) => Term {
  return ([operand]) => {
    const number = toNumber(given(operand))
    return number.kind === 'integer' ? number : { ...call(name, number), scale: 0 }
  }
}

/** Halves of a double go to the even number here, and have a last digit of their own there. */
function round([operand, digits]: readonly Term[]): Term {
  const number = toNumber(given(operand))
  const scale = digits === undefined ? '0' : digits.literal
  if (number.kind === 'double' || scale === undefined || !/^\d+$/.test(scale)) {
    throw new UntranslatableError('round of such a number is another one here')
  }
  if (number.kind === 'integer') return number
  return { ...call('round', number, { sql: scale, binds: binds.alone, kind: 'integer' }), scale: Number(scale) }
}

function text(term: Term | undefined): Term {
  const found = given(term)
  if (found.kind !== 'text' && found.kind !== 'enum') throw new UntranslatableError('it takes something for a text')
  return found
}

function onText(name: string, kind: Kind = 'text'): (args: readonly Term[]) => Term {
  return (args) => {
    if (args.length !== 1) throw new UntranslatableError(`${name} has more arguments than expected`)
    return { ...call(name, text(args[0])), kind, narrow: kind === 'integer' }
  }
}

/** Texts are UTF-8 here. */
function bytes(args: readonly Term[]): Term {
  if (!/^(utf8|ascii)/.test(args[0]?.column?.shared.collation ?? 'utf8')) {
    throw new UntranslatableError('texts have other lengths in its character set')
  }
  return onText('octet_length', 'integer')(args)
}

/** Of all letters, whatever the locale of the database, and whatever collations meet in the text. */
function inCase(name: string): (args: readonly Term[]) => Term {
  return ([operand]) => {
    const value = text(operand)
    const sql = `${at(binds.cast, value)} collate "und-x-icu"`
    return { ...call(name, { ...value, sql, binds: binds.cast }), kind: 'text' }
  }
}

function slice(name: string, operand: Term | undefined, length: Term | undefined): Term {
  return { ...call(name, text(operand), count(length)), kind: 'text' }
}

/** Counted from the end, or from nothing, is something else on each side. */
function substr([operand, from, length]: readonly Term[]): Term {
  const start = count(from)
  if (start.literal === '0') throw new UntranslatableError('a part of a text begins before it')
  return { ...call('substr', text(operand), start, ...(length === undefined ? [] : [count(length)])), kind: 'text' }
}

function count(term: Term | undefined): Term {
  const found = given(term)
  if (!isNumber(found) || !/^\d+$/.test(found.literal ?? '')) {
    throw new UntranslatableError('the place in a text is no plain number')
  }
  return found
}

function moment(term: Term | undefined): Term {
  const found = given(term)
  if (found.kind !== 'date' && found.kind !== 'timestamp')
    throw new UntranslatableError('it takes something for a date')
  return found
}

function partOfDate(part: string): (args: readonly Term[]) => Term {
  return ([operand]) => ({
    sql: `extract(${part} from ${moment(operand).sql})::integer`,
    binds: binds.cast,
    kind: 'integer',
    narrow: true,
  })
}
