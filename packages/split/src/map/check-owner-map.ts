import { asideNames } from '../aside-name.ts'
import { tableId, type SharedTable, type TableName } from '../model.ts'
import type { SharedCatalog } from '../side.ts'
import { OwnerMapError, type MapProblem } from './errors.ts'
import {
  SHARED_READ,
  type CheckedOwnerMap,
  type MapEntry,
  type MovedEntry,
  type NamedService,
  type OwnedTable,
  type OwnerMap,
  type RetiredService,
} from './owner-map.ts'
import { nearest } from './nearest.ts'
import { suggestKey } from './suggest-map.ts'

/**
 * Compares a map with the tables of a database: every table has exactly one owner, and every name of the map exists.
 * `source` is the name of the shared database, the first part of the names of the services' databases. Services that are
 * retired keep what they have: the map may go on to name their tables, and gives them no others.
 * @throws OwnerMapError with all that does not fit
 */
export function checkOwnerMap(
  map: OwnerMap,
  catalog: Pick<SharedCatalog, 'tables'>,
  { source, retired = [] }: { readonly source: string; readonly retired?: readonly RetiredService[] },
): CheckedOwnerMap {
  const problems: MapProblem[] = []
  const services = new Set(map.services.map(({ name }) => name))
  const setAside = new Set(
    retired.flatMap(({ tables }) => tables.flatMap((table) => asideNames(table.source))).map(tableId),
  )
  const here = catalog.tables.filter((table) => !setAside.has(tableId(table)))
  const moved = movedEntries(map, here, retired)
  const entries = entriesByTable(
    map.tables.filter((entry) => !moved.has(entry)),
    here,
    problems,
  )
  const tables: OwnedTable[] = []
  for (const table of here) {
    const [entry, second] = entries.get(tableId(table)) ?? []
    if (!entry) {
      const wayOut = `add '${table.name}: <service>' or '${table.name}: ${SHARED_READ}'`
      problems.push({ message: `table ${tableId(table)} has no owner`, wayOut })
      continue
    }
    if (second) problems.push(twice(entry, second))
    problems.push(
      ...serviceProblems(entry, services),
      ...keyProblems(entry, table),
      ...columnProblems(entry, table),
      ...longNames(entry, table),
    )
    if (retired.some(({ name }) => name === entry.owner)) problems.push(lateTable(entry))
    tables.push(ownedTable(entry, table))
  }
  for (const [entry, { owner }] of moved) {
    problems.push(...serviceProblems(entry, services))
    if (entry.owner !== owner) problems.push(otherOwner(entry, owner))
  }
  problems.push(...namingProblems(map.services, source), ...retiredProblems(retired, map.services, source))
  if (problems.length > 0) throw new OwnerMapError(map.file, problems)
  return {
    tables,
    services: map.services.map((service) => {
      const owned = tables.filter(({ owner }) => owner === service.name)
      return {
        name: service.name,
        database: owned.length > 0 ? databaseOf(service, source) : null,
        tables: owned,
      }
    }),
    moved: [...moved.values()],
  }
}

/** Lines about tables that are not here any more, because they have moved for good; with the owner that they moved to. */
function movedEntries(
  map: OwnerMap,
  here: readonly SharedTable[],
  retired: readonly RetiredService[],
): Map<MapEntry, MovedEntry> {
  const found = new Map<MapEntry, MovedEntry>()
  for (const entry of map.tables) {
    if (here.some((table) => isMeant(entry, table))) continue
    for (const { name, tables } of retired) {
      const moved = tables.find(({ source }) => isMeant(entry, source))
      if (moved) found.set(entry, { table: moved.source, owner: name, copies: entry.copies })
    }
  }
  return found
}

function isMeant(entry: MapEntry, table: TableName): boolean {
  return entry.table === table.name || entry.table === tableId(table)
}

function lateTable({ line, column, table, owner }: MapEntry): MapProblem {
  const message = `'${owner}' has moved for good and does not get '${table}' any more`
  const wayOut = `give it another owner; if retire was stopped, end it first: imhotep split retire ${owner}`
  return { line, column, message, wayOut }
}

function otherOwner({ line, column, table }: MapEntry, owner: string): MapProblem {
  const message = `table '${table}' has moved to '${owner}' for good`
  return { line, column, message, wayOut: `write '${owner}', or remove the line` }
}

function* retiredProblems(
  retired: readonly RetiredService[],
  services: readonly NamedService[],
  source: string,
): Generator<MapProblem> {
  for (const { name, database } of retired) {
    const service = services.find((one) => one.name === name)
    if (!service) {
      yield {
        message: `service '${name}' has moved for good and is missing`,
        wayOut: `add '${name}: {}' to 'services'`,
      }
    } else if (databaseOf(service, source) !== database) {
      const { line, column } = service
      const message = `the database of '${name}' is '${database}' for good`
      yield { line, column, message, wayOut: `write '${name}: { database: ${database} }'` }
    }
  }
}

function entriesByTable(
  written: readonly MapEntry[],
  tables: readonly SharedTable[],
  problems: MapProblem[],
): Map<string, MapEntry[]> {
  const found = new Map<string, MapEntry[]>()
  for (const entry of written) {
    const meant = tables.filter((table) => isMeant(entry, table))
    if (meant.length === 1 && meant[0]) {
      const id = tableId(meant[0])
      found.set(id, [...(found.get(id) ?? []), entry])
      continue
    }
    const { line, column } = entry
    if (meant.length > 1) {
      const names = meant.map(tableId)
      problems.push({
        line,
        column,
        message: `'${entry.table}' may be ${names.join(' or ')}`,
        wayOut: 'write the schema too',
      })
      continue
    }
    const close = nearest(
      entry.table,
      tables.map(({ name }) => name),
    )
    const wayOut = close ? `did you mean '${close}'? else remove the line` : 'remove the line'
    problems.push({ line, column, message: `table '${entry.table}' does not exist`, wayOut })
  }
  return found
}

function twice(first: MapEntry, second: MapEntry): MapProblem {
  const { line, column } = second
  const message = `table '${second.table}' has two owners: '${first.owner}' in line ${first.line} and '${second.owner}'`
  return { line, column, message, wayOut: 'keep one line; a service that only reads is named in `copies`' }
}

function* serviceProblems(entry: MapEntry, services: ReadonlySet<string>): Generator<MapProblem> {
  const { line, column, owner, table } = entry
  const unknown = (name: string, as: string): MapProblem => {
    const close = nearest(name, [...services])
    const wayOut = close ? `did you mean '${close}'? else add it to 'services'` : `add '${name}: {}' to 'services'`
    return { line, column, message: `unknown service '${name}' ${as} of '${table}'`, wayOut }
  }
  if (owner !== SHARED_READ && !services.has(owner)) yield unknown(owner, 'as owner')
  if (owner === SHARED_READ && entry.copies.length > 0) {
    yield {
      line,
      column,
      message: `'${table}' is ${SHARED_READ} and has copies`,
      wayOut: 'remove copies: all services get it',
    }
  }
  for (const copy of entry.copies) {
    if (!services.has(copy)) yield unknown(copy, 'in copies')
    if (copy === owner)
      yield {
        line,
        column,
        message: `'${owner}' has a copy of its own table '${table}'`,
        wayOut: 'remove it from copies',
      }
  }
  if (new Set(entry.copies).size < entry.copies.length) {
    yield { line, column, message: `a service stands twice in copies of '${table}'`, wayOut: 'remove one' }
  }
}

function* keyProblems(entry: MapEntry, table: SharedTable): Generator<MapProblem> {
  const { line, column, key } = entry
  if (key === null) {
    if (table.primaryKey.length > 0) return
    yield { line, column, message: `table '${entry.table}' has no primary key`, wayOut: keyWayOut(entry, table) }
    return
  }
  if (table.primaryKey.length > 0) {
    yield { line, column, message: `table '${entry.table}' has a primary key of its own`, wayOut: 'remove key' }
  }
  if (key.length === 0)
    yield { line, column, message: `the key of '${entry.table}' is empty`, wayOut: 'name its columns' }
  for (const name of key) {
    const found = table.columns.find((column) => column.name === name)
    if (found && !found.nullable) continue
    yield found
      ? {
          line,
          column,
          message: `column '${name}' in the key of '${entry.table}' may be null`,
          wayOut: 'make it not null first',
        }
      : unknownColumn(entry, name, table)
  }
}

function keyWayOut({ table: written, owner }: MapEntry, table: SharedTable): string {
  const key = suggestKey(table)
  if (key) return `declare columns that tell its rows apart: ${written}: { owner: ${owner}, key: [${key.join(', ')}] }`
  // MariaDB counts one column of a table at most
  const counted = table.columns.some(({ identity }) => identity)
  const type = counted ? 'uuid not null invisible default uuid()' : 'bigint not null invisible auto_increment'
  return (
    'declare columns that are unique and never null: key: [a, b]; or give it a column that clients do not see: ' +
    `alter table ${table.name} add column row_id ${type} primary key ` +
    '(PostgreSQL: add column row_id bigint generated always as identity primary key)'
  )
}

function* columnProblems(entry: MapEntry, table: SharedTable): Generator<MapProblem> {
  for (const name of entry.zeroDates.keys()) {
    if (!table.columns.some((column) => column.name === name)) yield unknownColumn(entry, name, table)
  }
}

/** PostgreSQL cuts names off there, MariaDB has 64 characters. */
const maxNameBytes = 63

function* longNames({ line, column, table: written }: MapEntry, { name, columns }: SharedTable): Generator<MapProblem> {
  const isTooLong = (one: string) => Buffer.byteLength(one) > maxNameBytes
  const tooLong = (what: string, how: string): MapProblem => ({
    line,
    column,
    message: `the name of ${what} is longer than ${maxNameBytes} bytes`,
    wayOut: `PostgreSQL would cut it off: give it a shorter one with ${how}`,
  })
  if (isTooLong(name)) yield tooLong(`table '${written}'`, 'rename table')
  for (const one of columns) {
    if (isTooLong(one.name)) yield tooLong(`column '${one.name}' of '${written}'`, 'alter table ... rename column')
  }
}

function unknownColumn({ line, column, table: written }: MapEntry, name: string, table: SharedTable): MapProblem {
  const close = nearest(
    name,
    table.columns.map((column) => column.name),
  )
  const wayOut = close ? `did you mean '${close}'?` : `name columns of ${tableId(table)}`
  return { line, column, message: `table '${written}' has no column '${name}'`, wayOut }
}

function* namingProblems(services: readonly NamedService[], source: string): Generator<MapProblem> {
  const names = new Map<string, NamedService>()
  const databases = new Map<string, NamedService>()
  for (const service of services) {
    const { name, line, column } = service
    const database = databaseOf(service, source)
    const [sameName, sameDatabase] = [names.get(name), databases.get(database)]
    if (name === SHARED_READ) yield { line, column, message: `'${name}' is no service`, wayOut: 'choose another name' }
    if (sameName) {
      yield {
        line,
        column,
        message: `service '${name}' stands there twice (line ${sameName.line})`,
        wayOut: 'remove one',
      }
    } else if (sameDatabase) {
      const message = `services '${sameDatabase.name}' and '${name}' have the same database '${database}'`
      yield { line, column, message, wayOut: 'give one of them another: { database: ... }' }
    }
    if (database === source) {
      const message = `the database of '${name}' is the shared one`
      yield { line, column, message, wayOut: 'give it another: { database: ... }' }
    }
    if (database.length > maxNameBytes) {
      const message = `'${database}' is too long for the name of a database`
      yield { line, column, message, wayOut: 'give a shorter one: { database: ... }' }
    }
    names.set(name, service)
    databases.set(database, service)
  }
}

function databaseOf(service: NamedService, source: string): string {
  return service.database ?? `${source}_${service.name}`
}

function ownedTable(entry: MapEntry, table: SharedTable): OwnedTable {
  return {
    table,
    owner: entry.owner,
    copies: entry.copies,
    key: entry.key ?? table.primaryKey,
    zeroDate: (column) => entry.zeroDates.get(column) ?? entry.zeroDate,
  }
}
