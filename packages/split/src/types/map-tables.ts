import type { MovedColumn, MovedTable, SharedColumn, SharedTable, TableName } from '../model.ts'
import type { ColumnFacts, TableFacts } from './facts.ts'
import { foreignKeyFamilies, type Families } from './families.ts'
import { fraction, parseSourceType, typeFamily, type SourceType } from './source-type.ts'

export type ZeroDatePolicy = 'stop' | 'null' | { readonly sentinel: string }

/** What the owner map decides for a table. */
export interface TypePolicies {
  /** Dates that PostgreSQL does not have. Default: they stop the move. */
  readonly zeroDate?: ZeroDatePolicy | ((column: string) => ZeroDatePolicy)
  /** `json` keeps every byte. Default: jsonb. */
  readonly json?: 'json' | 'jsonb'
  /** The key of a table that has no primary key. */
  readonly key?: readonly string[]
}

/** Something in the rows that the other type does not hold as it is, and what becomes of it. */
export interface TypeFinding {
  readonly table: TableName
  readonly column: string
  readonly kind:
    | 'zero-date'
    | 'time-outside-day'
    | 'empty-enum-label'
    | 'nul-character'
    | 'json-refused'
    | 'json-duplicate-keys'
    | 'number-beyond-bigint'
    | 'not-boolean'
    | 'unsupported-type'
  /** How many rows; null where it is no matter of rows. */
  readonly rows: number | null
  /** True when the table cannot be moved like this. */
  readonly stops: boolean
  readonly decision: string
}

export interface MappedTables {
  readonly tables: readonly MovedTable[]
  readonly findings: readonly TypeFinding[]
}

export interface MappingOptions {
  readonly facts: (table: SharedTable) => TableFacts
  readonly policies?: (table: SharedTable) => TypePolicies
  /** Where a table goes. Default: schema public, the same name. */
  readonly target?: (table: SharedTable) => TableName
}

/** Chooses PostgreSQL's types for tables of MariaDB or MySQL by what their rows hold (split.md, type mapping). */
export function mapTables(tables: readonly SharedTable[], options: MappingOptions): MappedTables {
  const families = foreignKeyFamilies(tables, options.facts)
  const findings: TypeFinding[] = []
  const moved = tables.map((table): MovedTable => {
    const policies = options.policies?.(table) ?? {}
    const facts = options.facts(table).columns
    return {
      source: { schema: table.schema, name: table.name },
      target: options.target?.(table) ?? { schema: 'public', name: table.name },
      key: table.primaryKey.length > 0 ? table.primaryKey : (policies.key ?? []),
      columns: table.columns
        .filter((column) => column.generated === null)
        .map((column) =>
          mapColumn({ table, column, policies, families, facts: facts.get(column.name) ?? {} }, findings),
        ),
    }
  })
  return { tables: moved, findings }
}

interface Question {
  readonly table: SharedTable
  readonly column: SharedColumn
  readonly facts: ColumnFacts
  readonly policies: TypePolicies
  readonly families: Families
}

function mapColumn(question: Question, findings: TypeFinding[]): MovedColumn {
  const { table, column, facts, policies } = question
  const type = parseSourceType(column.type)
  const targetType = targetTypeOf(type, question)
  const isDate = ['date', 'datetime', 'timestamp'].includes(typeFamily(type) ?? '')
  const policy = typeof policies.zeroDate === 'function' ? policies.zeroDate(column.name) : policies.zeroDate
  const zeroDate = isDate && policy !== 'stop' ? policy : undefined
  findings.push(
    ...findingsOf(type, targetType, facts, zeroDate).map((finding) => ({
      table: { schema: table.schema, name: table.name },
      column: column.name,
      ...finding,
    })),
  )
  return {
    name: column.name,
    sourceType: column.type,
    targetType: targetType ?? 'text',
    nullable: column.nullable || zeroDate === 'null',
    ...(zeroDate === undefined ? {} : { zeroDate }),
  }
}

/** Null for what PostgreSQL has no type for. */
function targetTypeOf(type: SourceType, { table, column, facts, policies, families }: Question): string | null {
  const precision = (name: string) => `${name}(${fraction(type)})`
  switch (typeFamily(type)) {
    case 'integer':
      return integerType(type, families.has(table, column.name), isBoolean(table, column, type))
    case 'decimal':
      return `numeric(${type.numbers[0] ?? 10},${type.numbers[1] ?? 0})`
    case 'float':
      return 'real'
    case 'double':
      return 'double precision'
    case 'bit':
      if ((type.numbers[0] ?? 1) === 1) return 'boolean'
      return (facts.aboveBigint ?? 0) > 0 ? 'numeric(20,0)' : 'bigint'
    case 'year':
      return 'smallint'
    case 'date':
      return 'date'
    case 'time':
      return (facts.outsideDay ?? 0) > 0 ? 'interval' : `${precision('time')} without time zone`
    case 'datetime':
      return `${precision('timestamp')} without time zone`
    case 'timestamp':
      return `${precision('timestamp')} with time zone`
    case 'text':
      return type.base === 'char' || type.base === 'varchar' ? varchar(type) : 'text'
    case 'enum':
      return 'text'
    case 'set':
      return 'text[]'
    case 'bytes':
      return 'bytea'
    case 'json':
      return policies.json === 'json' || (facts.refusedTexts ?? 0) > 0 ? 'json' : 'jsonb'
    case 'uuid':
      return 'uuid'
    case 'inet':
      return 'inet'
    default:
      return null
  }
}

/** varchar(0) exists there alone. */
function varchar(type: SourceType): string {
  const length = type.numbers[0] ?? 1
  return length === 0 ? 'text' : `character varying(${length})`
}

function isBoolean(table: SharedTable, column: SharedColumn, type: SourceType): boolean {
  return type.base === 'tinyint' && type.numbers[0] === 1 && !column.identity && !table.primaryKey.includes(column.name)
}

function integerType(
  type: SourceType,
  family: { readonly notBoolean: boolean; readonly aboveBigint: boolean },
  mayBeBoolean: boolean,
): string {
  if (mayBeBoolean && !family.notBoolean) return 'boolean'
  switch (type.base) {
    case 'tinyint':
      return 'smallint'
    case 'smallint':
      return type.unsigned ? 'integer' : 'smallint'
    case 'mediumint':
      return 'integer'
    case 'int':
      return type.unsigned ? 'bigint' : 'integer'
    default:
      return type.unsigned && family.aboveBigint ? 'numeric(20,0)' : 'bigint'
  }
}

type PlainFinding = Omit<TypeFinding, 'table' | 'column'>

function findingsOf(
  type: SourceType,
  targetType: string | null,
  facts: ColumnFacts,
  zeroDate: MovedColumn['zeroDate'],
): PlainFinding[] {
  if (targetType === null) {
    return [{ kind: 'unsupported-type', rows: null, stops: true, decision: `PostgreSQL has no type for ${type.base}` }]
  }
  const all: (PlainFinding & { readonly rows: number })[] = [
    {
      kind: 'zero-date',
      rows: facts.zeroDates ?? 0,
      stops: zeroDate === undefined,
      decision: zeroDate === undefined ? 'stop' : zeroDate === 'null' ? 'becomes null' : `becomes ${zeroDate.sentinel}`,
    },
    { kind: 'time-outside-day', rows: facts.outsideDay ?? 0, stops: false, decision: 'kept, as interval' },
    { kind: 'empty-enum-label', rows: facts.emptyLabels ?? 0, stops: false, decision: `kept, the check allows ''` },
    { kind: 'nul-character', rows: facts.nulCharacters ?? 0, stops: true, decision: 'stop' },
    { kind: 'json-refused', rows: facts.refusedTexts ?? 0, stops: false, decision: 'kept, as json' },
    {
      kind: 'json-duplicate-keys',
      rows: facts.duplicateKeys ?? 0,
      stops: false,
      decision: targetType === 'json' ? 'kept' : 'the last value of a key is kept',
    },
    { kind: 'number-beyond-bigint', rows: facts.aboveBigint ?? 0, stops: false, decision: 'kept, as numeric(20,0)' },
    { kind: 'not-boolean', rows: facts.notBoolean ?? 0, stops: false, decision: 'kept, as smallint' },
  ]
  return all.filter(({ rows }) => rows > 0)
}
