import { quoteIdentifier } from '../bundle/quote.ts'
import type { Catalog, Column, Table } from '../catalog/model.ts'
import { countingClauses } from '../print/print-sequence.ts'
import { addNotNullStatement } from '../print/print-constraint.ts'
import { columnClause, columnSettings } from '../print/print-table.ts'
import { lowerCase, qualified, quoteKey } from '../print/sql-text.ts'
import type { Changes } from './changes.ts'
import type { DiffOptions } from './diff-catalogs.ts'
import { byHand, outside, statement, type DiffStatement } from './diff-statement.ts'
import { mustGo } from './loosen.ts'
import { validation } from './validation.ts'
import { isWidening, losesValues, usingClause } from './type-change.ts'

/** Columns of a table that both sides have: dropped, added, changed. What a parent passes on to a partition is left to it. */
export function alterColumns(
  changes: Changes,
  catalogs: { left: Catalog; right: Catalog },
  key: string,
  options: DiffOptions,
): DiffStatement[] {
  const before = catalogs.left.tables.get(key)
  const after = catalogs.right.tables.get(key)
  if (!before || !after) return []
  const own = ownColumns(changes, before, after)
  const object = (name: string) => `column ${key}.${name}`
  const isGenerated = (name: string) => (after.columns.get(name)?.generated ?? null) !== null
  const added = own.filter((name) => changes.isNew(object(name)))
  return [
    ...own
      .filter((name) => before.columns.get(name)?.generated === null && mustGo(changes, object(name)))
      .map((name) => dropColumn(before, after, name)),
    ...added.filter((name) => !isGenerated(name)).flatMap((name) => addColumn(before, after, name)),
    ...own.flatMap((name) => {
      const [old, column] = [before.columns.get(name), after.columns.get(name)]
      if (!old || !column || changes.isNew(object(name))) return []
      return alterColumn(changes, after, old, column, options)
    }),
    // They may read what is added and altered.
    ...added.filter(isGenerated).flatMap((name) => addColumn(before, after, name)),
  ]
}

/** Generated columns of a table that both sides have: what they read and call can be changed only when they are gone. */
export function dropGeneratedColumns(
  changes: Changes,
  catalogs: { left: Catalog; right: Catalog },
  key: string,
): DiffStatement[] {
  const before = catalogs.left.tables.get(key)
  const after = catalogs.right.tables.get(key)
  if (!before || !after) return []
  return ownColumns(changes, before, after)
    .filter((name) => (before.columns.get(name)?.generated ?? null) !== null)
    .filter((name) => mustGo(changes, `column ${key}.${name}`))
    .map((name) => dropColumn(before, after, name))
}

function ownColumns(changes: Changes, before: Table, after: Table): string[] {
  const names = new Set([...before.columns.keys(), ...after.columns.keys()])
  return [...names].filter((name) => !comesFromParent(changes, after, name))
}

function comesFromParent(changes: Changes, table: Table, name: string): boolean {
  const parents = table.partitionOf === null ? table.inherits : [table.partitionOf]
  const object = (key: string) => `column ${key}.${name}`
  const own = object(`${table.schema}.${table.name}`)
  return parents.some((parent) => {
    if (changes.isGone(own)) return changes.isGone(object(parent))
    if (changes.isNew(own)) return changes.isNew(object(parent))
    const properties = changes.properties(own)
    return (
      properties.size > 0 &&
      [...properties].every((property) => changes.properties(object(parent)).has(property) && property !== 'comment')
    )
  })
}

function dropColumn(before: Table, after: Table, name: string): DiffStatement {
  const object = `column ${before.schema}.${before.name}.${name}`
  const sql = `alter table ${qualified(before)} drop column ${quoteIdentifier(name)}`
  const old = before.columns.get(name)
  const next = after.columns.get(name)
  if (next && old?.generated != null && next.generated !== null)
    return statement(object, sql, 'rewrites', 'a generated column is computed anew')
  if (next && next.generated === null)
    return statement(object, sql, 'data loss', 'its values are lost; to keep them write by hand: drop expression')
  const added = [...after.columns.values()].find(
    (column) => column.type === old?.type && !before.columns.has(column.name),
  )
  const hint = added ? `; if it was renamed to '${added.name}', rename it by hand instead` : ''
  return statement(object, sql, 'data loss', `the values of the column are lost${hint}`)
}

function addColumn(before: Table, after: Table, name: string): DiffStatement[] {
  const column = after.columns.get(name)
  if (!column) return []
  const object = `column ${after.schema}.${after.name}.${name}`
  const add = `alter table ${qualified(after)} add column ${columnClause(after, column)}`
  const isUnvalidated = column.unvalidatedNotNull !== null
  const settings = [
    ...(isUnvalidated ? [addNotNullStatement(after, column)] : []),
    ...columnSettings(after, column),
  ].map((sql) => statement(object, sql))
  if (
    column.notNull &&
    !isUnvalidated &&
    column.default === null &&
    column.generated === null &&
    column.identity === null
  ) {
    return [
      statement(object, add, 'needs a person', 'fails where the table has rows: fill it first, or give it a default'),
      ...settings,
    ]
  }
  if (column.identity !== null || (column.generated !== null && !column.generated.endsWith(' virtual'))) {
    return [statement(object, add, 'rewrites', 'every row gets a value, nobody reads or writes meanwhile'), ...settings]
  }
  if (column.default !== null && !isConstant(column.default)) {
    return [statement(object, add, 'rewrites', 'the default may be computed for every row'), ...settings]
  }
  const wasDropped = [...before.columns.values()].find(
    (old) => old.type === column.type && !after.columns.has(old.name),
  )
  if (wasDropped)
    return [
      statement(
        object,
        add,
        'needs a person',
        `'${wasDropped.name}' of the same type is dropped: if this is its new name, rename it by hand instead`,
      ),
      ...settings,
    ]
  return [statement(object, add), ...settings]
}

/** A literal, with casts or not; now() and the like are taken once for the whole table. */
function isConstant(expression: string): boolean {
  return /^(?:'(?:[^']|'')*'|[-+]?[\d.]+|true|false|null|now\(\)|current_\w+)(?:::[\w\s."()[\],]+)*$/i.test(expression)
}

function alterColumn(
  changes: Changes,
  table: Table,
  old: Column,
  column: Column,
  options: DiffOptions,
): DiffStatement[] {
  const object = `column ${table.schema}.${table.name}.${column.name}`
  const changed = changes.properties(object)
  const hasLostDefault = changes.remade.has(`default of ${object}`)
  if (changed.size === 0 && !hasLostDefault) return []
  const alter = `alter table ${qualified(table)} alter column ${quoteIdentifier(column.name)}`
  const isRetyped = changed.has('type') || changed.has('collation')
  const setsDefault = changed.has('default') || (isRetyped && old.default !== null) || hasLostDefault
  const found: DiffStatement[] = []
  if (changed.has('identity') && old.identity !== null && column.identity === null)
    found.push(statement(object, `${alter} drop identity`))
  if (setsDefault && old.default !== null && !hasLostDefault && (isRetyped || column.default === null))
    found.push(statement(object, `${alter} drop default`))
  if (isRetyped) found.push(retype(object, alter, old, column))
  if (setsDefault && column.default !== null)
    found.push(statement(object, `${alter} set default ${lowerCase(column.default)}`))
  if (changed.has('notNull') || changed.has('unvalidatedNotNull'))
    found.push(...changeNotNull(object, alter, table, old, column, options))
  if (changed.has('identity') || changed.has('identitySequence'))
    found.push(...changeIdentity(object, alter, table, old, column))
  found.push(...changeSettings(object, alter, changed, old, column))
  return found
}

function retype(object: string, alter: string, old: Column, column: Column): DiffStatement {
  const collate = column.collation === null ? '' : ` collate ${quoteKey(column.collation)}`
  const sql = `${alter} type ${column.type}${collate}${usingClause(old, column)}`
  const change = `from ${old.type} to ${column.type}`
  if (losesValues(old.type, column.type))
    return statement(object, sql, 'data loss', `${change}: values are rounded or lose a part`)
  if (isWidening(old.type, column.type))
    return statement(
      object,
      `${alter} type ${column.type}${collate}`,
      'locks',
      'short, but indexes on it may be built again',
    )
  return statement(
    object,
    sql,
    'rewrites',
    `${change}: the table is written anew under an exclusive lock; values that do not fit make it fail`,
  )
}

function changeNotNull(
  object: string,
  alter: string,
  table: Table,
  old: Column,
  column: Column,
  options: DiffOptions,
): DiffStatement[] {
  const [before, after] = [old.unvalidatedNotNull, column.unvalidatedNotNull]
  if (after !== null) {
    if (before !== null)
      return [
        statement(
          object,
          `alter table ${qualified(table)} rename constraint ${quoteIdentifier(before)} to ${quoteIdentifier(after)}`,
        ),
      ]
    return [
      ...(old.notNull ? [statement(object, `${alter} drop not null`)] : []),
      statement(object, addNotNullStatement(table, column)),
    ]
  }
  if (before !== null && column.notNull)
    return [
      validation(object, `alter table ${qualified(table)} validate constraint ${quoteIdentifier(before)}`, options),
    ]
  if (!column.notNull)
    return old.identity !== null && column.identity !== null ? [] : [statement(object, `${alter} drop not null`)]
  // Without it an identity cannot be added, and until then nobody could insert a row.
  const isForIdentity = old.identity === null && column.identity !== null
  if (!options.concurrently || isForIdentity)
    return [statement(object, `${alter} set not null`, 'locks', 'all rows are looked at under an exclusive lock')]
  // With a validated check PostgreSQL need not look at the rows again.
  const check = quoteIdentifier(`${column.name.slice(0, 40)}_not_null_for_now`)
  const name = qualified(table)
  return [
    statement(
      object,
      `alter table ${name} add constraint ${check} check (${quoteIdentifier(column.name)} is not null) not valid`,
    ),
    validation(object, `alter table ${name} validate constraint ${check}`, options),
    outside(statement(object, `${alter} set not null`)),
    outside(statement(object, `alter table ${name} drop constraint ${check}`)),
  ]
}

function changeIdentity(object: string, alter: string, table: Table, old: Column, column: Column): DiffStatement[] {
  if (column.identity === null) return []
  const { identitySequence: sequence } = column
  if (old.identity === null) {
    const clause = columnClause(table, column)
    return [
      statement(
        object,
        `${alter} add ${clause.slice(clause.indexOf('generated '))}`,
        'locks',
        'counts from its start: set it behind the highest value',
      ),
    ]
  }
  const found: DiffStatement[] = []
  if (old.identity !== column.identity) found.push(statement(object, `${alter} set generated ${column.identity}`))
  if (sequence && old.identitySequence && JSON.stringify(sequence) !== JSON.stringify(old.identitySequence)) {
    if (sequence.name !== old.identitySequence.name)
      found.push(byHand(object, `its sequence is called ${old.identitySequence.name}, and should be ${sequence.name}`))
    const { increment, minimum, maximum, start, cache, cycle } = sequence
    const sets = [
      `increment by ${increment}`,
      `minvalue ${minimum}`,
      `maxvalue ${maximum}`,
      `start with ${start}`,
      `cache ${cache}`,
      cycle ? 'cycle' : 'no cycle',
    ]
    const isCountedAnew =
      countingClauses(sequence, column.type).join() !== countingClauses(old.identitySequence, old.type).join()
    if (isCountedAnew) found.push(statement(object, `${alter} ${sets.map((text) => `set ${text}`).join(' ')}`))
  }
  return found
}

function changeSettings(
  object: string,
  alter: string,
  changed: ReadonlySet<string>,
  old: Column,
  column: Column,
): DiffStatement[] {
  const found: DiffStatement[] = []
  if (changed.has('storage'))
    found.push(statement(object, `${alter} set storage ${column.storage ?? usualStorage(column.type)}`))
  if (changed.has('compression'))
    found.push(statement(object, `${alter} set compression ${column.compression ?? 'default'}`))
  if (changed.has('statistics')) found.push(statement(object, `${alter} set statistics ${column.statistics ?? -1}`))
  if (changed.has('options')) found.push(...changeOptions(object, alter, old.options, column.options))
  return found
}

/** SET STORAGE DEFAULT exists since PostgreSQL 16. */
function usualStorage(type: string): string {
  return /^(numeric|inet|cidr)/.test(type) ? 'main' : 'extended'
}

/** SET and RESET that turn one list of `name=value` into another. `target` is what stands in front of them. */
export function changeOptions(
  object: string,
  target: string,
  before: readonly string[],
  after: readonly string[],
): DiffStatement[] {
  const name = (option: string) => option.slice(0, option.indexOf('='))
  const set = after.filter((option) => !before.includes(option))
  const reset = before.map(name).filter((own) => !after.some((option) => name(option) === own))
  return [
    ...(reset.length > 0 ? [statement(object, `${target} reset (${reset.join(', ')})`)] : []),
    ...(set.length > 0 ? [statement(object, `${target} set (${set.join(', ')})`)] : []),
  ]
}
