/** A column type of MariaDB or MySQL, read from its text: `decimal(10,2) unsigned zerofill`, `enum('a','b')`. */
export interface SourceType {
  /** Lower case, without length: `bigint`, `varchar`, `double`. */
  readonly base: string
  /** Numbers in brackets: length, precision, scale or fraction. */
  readonly numbers: readonly number[]
  /** Of ENUM and SET. */
  readonly labels: readonly string[]
  readonly unsigned: boolean
  readonly zerofill: boolean
}

const synonyms: Readonly<Record<string, string>> = {
  integer: 'int',
  numeric: 'decimal',
  real: 'double',
  dec: 'decimal',
}

const parsed = new Map<string, SourceType>()

export function parseSourceType(text: string): SourceType {
  let type = parsed.get(text)
  if (type === undefined) parsed.set(text, (type = parse(text)))
  return type
}

function parse(text: string): SourceType {
  const [, name = '', , inside = '', attributes = ''] = /^\s*(\w+)\s*(\((.*)\))?(.*)$/s.exec(text) ?? []
  const base = name.toLowerCase()
  const hasLabels = base === 'enum' || base === 'set'
  return {
    base: synonyms[base] ?? base,
    numbers: hasLabels || inside === '' ? [] : inside.split(',').map(Number),
    labels: hasLabels ? Array.from(inside.matchAll(/'((?:[^']|'')*)'/g), ([, label = '']) => labelText(label)) : [],
    unsigned: /\bunsigned\b|\bzerofill\b/i.test(attributes),
    zerofill: /\bzerofill\b/i.test(attributes),
  }
}

export type TypeFamily =
  | 'integer'
  | 'decimal'
  | 'float'
  | 'double'
  | 'bit'
  | 'year'
  | 'date'
  | 'time'
  | 'datetime'
  | 'timestamp'
  | 'text'
  | 'enum'
  | 'set'
  | 'bytes'
  | 'json'
  | 'uuid'
  | 'inet'

const families: Readonly<Record<TypeFamily, readonly string[]>> = {
  integer: ['tinyint', 'smallint', 'mediumint', 'int', 'bigint'],
  decimal: ['decimal'],
  float: ['float'],
  double: ['double'],
  bit: ['bit'],
  year: ['year'],
  date: ['date'],
  time: ['time'],
  datetime: ['datetime'],
  timestamp: ['timestamp'],
  text: ['char', 'varchar', 'tinytext', 'text', 'mediumtext', 'longtext'],
  enum: ['enum'],
  set: ['set'],
  bytes: ['binary', 'varbinary', 'tinyblob', 'blob', 'mediumblob', 'longblob'],
  json: ['json'],
  uuid: ['uuid'],
  inet: ['inet4', 'inet6'],
}

const familyOfBase = new Map(
  Object.entries(families).flatMap(([family, bases]) => bases.map((base) => [base, family as TypeFamily])),
)

/** What kind of values a type holds; null for types that cannot be moved (geometry and the like). */
export function typeFamily(type: SourceType): TypeFamily | null {
  return familyOfBase.get(type.base) ?? null
}

/** Digits behind the second of a time, 0 to 6. */
export function fraction(type: SourceType): number {
  return type.numbers[0] ?? 0
}

const escapes: Readonly<Record<string, string>> = { n: '\n', r: '\r', '0': '\0' }

function labelText(quoted: string): string {
  return quoted.replaceAll("''", "'").replace(/\\(.)/gs, (_, char: string) => escapes[char] ?? char)
}
