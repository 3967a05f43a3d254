import { randomUUID } from 'node:crypto'
import type { Routine, Table } from '../../catalog/model.ts'
import { nameOf } from '../context.ts'
import { listedValue } from './listed-value.ts'
import { baseTypeOf, madeUpId } from './made-up.ts'
import { quoteLiteral } from './quote.ts'
import type { Argument } from './routine-arguments.ts'
import type { Scene } from './scene.ts'
import type { Target } from './targets.ts'

type Known = Pick<Scene, 'context' | 'targets'>

/** What an argument names: a tenant, or a row of a table. */
export interface Named {
  /** Its id where a row of that tenant is known. */
  readonly idOf: (tenant: string) => string | null
  /** Ids repeat from tenant to tenant: one's own row answers to the same id. */
  readonly ambiguous: boolean
}

/** What an id in an argument stands for; null for an argument that holds no id. A uuid always is one. */
export function namedBy(arg: Argument, routine: Routine, scene: Known): Named | null {
  const { policy, catalog } = scene.context
  const kind = kindOf(elementOf(arg.type), scene)
  if (kind === null || (kind === 'text' && knownValue(arg.name, routine, scene) !== null)) return null
  const stem = stemOf(arg.name).replace(/_?ids?$/, '')
  const isTenant = stem !== '' && (stem === 'tenant' || stem === policy.tenantColumn.replace(/_?id$/, ''))
  if (
    isTenant &&
    (kind === 'uuid' || kind === 'text' || kind === kindOf(baseTypeOf(policy.tenantType, catalog), scene))
  )
    return { idOf: (tenant) => tenant, ambiguous: false }
  const target = tableNamed(stem, kind, stem !== stemOf(arg.name), routine, scene)
  if (!target) return kind === 'uuid' ? { idOf: () => null, ambiguous: false } : null
  const idOf = (tenant: string) => target.rows.get(tenant)?.id ?? null
  return { idOf, ambiguous: [...target.rows.values()].some((rows) => rows.sharesId) }
}

/** The table that an argument most likely names, by its name: `p_slot` is a row of some table `..slots`. */
function tableNamed(stem: string, kind: string, isId: boolean, routine: Routine, scene: Known): Target | undefined {
  const { policy } = scene.context
  const plurals = [`${stem}s`, `${stem}es`, stem.replace(/y$/, 'ies'), stem]
  const score = ({ table }: Target) => {
    if (stem === '') return mentions(routine.body, table.name) ? 2 : 0
    if (plurals.includes(table.name)) return 4
    return plurals.some((plural) => table.name.endsWith(`_${plural}`)) ? 2 : 0
  }
  // A number is an id only where a table says so, a text where the name says so, a uuid always.
  const mayName = ({ table }: Target, points: number) =>
    kind === 'uuid' ? points > 0 || table.schema === routine.schema : points > (kind === 'text' && !isId ? 2 : 0)
  return [...scene.targets.values()]
    .filter((target) => !target.partition && target.name !== policy.rootTable)
    .filter((target) => [...target.rows.values()].some((rows) => rows.id !== null))
    .map((target) => ({ target, points: score(target) }))
    .filter(({ target, points }) => mayName(target, points) && (kind === 'text' || idKindOf(target, scene) === kind))
    .map(({ target, points }) => ({ target, points: points + (target.table.schema === routine.schema ? 1 : 0) }))
    .toSorted((a, b) => b.points - a.points)[0]?.target
}

function idKindOf({ table }: Target, scene: Known): string | null {
  return kindOf(table.columns.get('id')?.type ?? '', scene)
}

/** Types that ids are made of; an id may be written into a text whatever it is. */
function kindOf(type: string, { context }: Known): 'uuid' | 'number' | 'text' | null {
  const base = baseTypeOf(type, context.catalog).replace(/\(.*\)/, '')
  if (base === 'uuid') return 'uuid'
  if (/^(smallint|integer|bigint|numeric)$/.test(base)) return 'number'
  return /^(text|character varying)$/.test(base) ? 'text' : null
}

function elementOf(type: string): string {
  return type.replace(/\[\]$/, '')
}

/** Columns whose value a text argument may ask for, the likeliest first: `p_mrn` of a function whose body names a table with `mrn`. */
export function columnsAsked(arg: Argument, routine: Routine, scene: Known): { target: Target; column: string }[] {
  const column = stemOf(arg.name)
  if (kindOf(arg.type, scene) !== 'text' || column === '') return []
  return [...scene.targets.values()]
    .filter(({ table, partition }) => !partition && asks(column, table, routine, scene))
    .map((target) => ({ target, column }))
}

function asks(name: string, table: Table, routine: Routine, scene: Known): boolean {
  const column = table.columns.get(name)
  if (!column || name === 'id' || name === scene.context.policy.tenantColumn) return false
  if (kindOf(column.type, scene) !== 'text' || listedValue(name, table) !== null) return false
  return mentions(routine.body, table.name)
}

function mentions(body: string, name: string): boolean {
  return new RegExp(`\\b${name.replaceAll(/\W/g, '\\$&')}\\b`, 'i').test(body)
}

/** True where a value of the column is one row of a tenant: asking for it is asking for the row. */
export function isKey(table: Table, column: string, tenantColumn: string): boolean {
  const isOne = (columns: readonly (string | null)[]) =>
    columns.includes(column) && columns.every((each) => each === column || each === tenantColumn)
  return (
    [...table.constraints.values()].some(({ kind, columns }) => /unique|primary/.test(kind) && isOne(columns)) ||
    [...table.indexes.values()].some(({ unique, keys }) => unique && isOne(keys.map((key) => key.column)))
  )
}

/** An id or a text that no row has. */
export function unknownFor(arg: Argument, scene: Known): string {
  return madeUpId(elementOf(arg.type), scene.context.catalog) ?? randomUUID()
}

/** SQL of an argument: `value`, else a plausible one. */
export function valueOf(arg: Argument, value: string | null, routine: Routine, scene: Known): string {
  const { type } = arg // as format_type prints it: quoted where it must be
  const spread = arg.variadic ? 'variadic ' : ''
  const given = value ?? (elementOf(type) === 'uuid' ? randomUUID() : null)
  if (given !== null && type.endsWith('[]')) return `${spread}array[${quoteLiteral(given)}]::${type}`
  if (given !== null) return `${quoteLiteral(given)}::${type}`
  const user = scene.context.catalog.types.get(type)
  if (user?.kind === 'enum') return `${quoteLiteral(user.labels[0] ?? '')}::${type}`
  if (type.endsWith('[]')) return `${spread}'{}'::${type}`
  if (type === 'text') return `${quoteLiteral(knownValue(arg.name, routine, scene) ?? 'attack-on-isolation')}::text`
  return samples[type.replace(/\(.*\)/, '')] ?? `null::${type}`
}

/** Where a column of that name in the function's schema takes listed values only, the first of them. */
function knownValue(argument: string, routine: Routine, scene: Known): string | null {
  const column = stemOf(argument)
  for (const table of scene.context.tables) {
    const value = table.schema === routine.schema && table.columns.has(column) ? listedValue(column, table) : null
    if (value !== null) return value
  }
  return null
}

/** `p_status` speaks of `status`. */
function stemOf(argument: string): string {
  return argument.replace(/^[pvi]_/, '')
}

/** The key under which the scene holds the victim's value of a column. */
export function columnKey(target: Target, column: string): string {
  return `${nameOf(target.table)}.${column}`
}

/** A plausible value of each common type; other types get null. */
const samples: Readonly<Record<string, string>> = {
  'character varying': `'attack'::varchar`,
  boolean: 'true',
  integer: '1',
  bigint: '1::bigint',
  smallint: '1::smallint',
  numeric: '1::numeric',
  date: 'current_date',
  'timestamp with time zone': 'now()',
  interval: `interval '1 hour'`,
  jsonb: `'{}'::jsonb`,
  json: `'{}'::json`,
  bytea: `'\\x00'::bytea`,
}
