import { tableId, type SharedTable } from '../model.ts'
import type { SharedCatalog } from '../side.ts'
import { attachByForeignKeys, foreignKeyLinks } from './foreign-key-links.ts'
import { mergeSmallServices } from './merge-services.ts'
import { SHARED_READ } from './owner-map.ts'

/** A proposal that people correct: an owner for every table, and why. */
export interface SuggestedMap {
  readonly services: readonly string[]
  readonly tables: readonly SuggestedOwner[]
}

export interface SuggestedOwner {
  readonly table: SharedTable
  readonly owner: string
  readonly reason: string
  /** For a table without a primary key: columns that seem to tell its rows apart. Absent: nothing does, it needs one. */
  readonly key?: readonly string[]
}

/** A table whose service is known, because it is one of ours. */
export interface KnownTable {
  readonly schema: string
  readonly name: string
  readonly service: string
}

/**
 * Proposes owners: from tables that are known, then from what names have in common, then from the foreign keys of what
 * is left. The result is total: its YAML passes `checkOwnerMap`, but for tables that nothing could be a key of.
 */
export function suggestMap(catalog: Pick<SharedCatalog, 'tables'>, known: readonly KnownTable[] = []): SuggestedMap {
  const owners = new Map<string, SuggestedOwner>()
  const decide = (table: SharedTable, owner: string, reason: string) => {
    if (!owners.has(tableId(table))) owners.set(tableId(table), { table, owner, reason })
  }
  for (const table of catalog.tables) {
    const service = knownService(table, known)
    if (service) decide(table, service.owner, service.reason)
  }
  const links = foreignKeyLinks(catalog.tables)
  for (const table of catalog.tables) {
    const readers = links.filter(({ to }) => to === tableId(table))
    if (isReference(table, readers.length)) {
      decide(table, SHARED_READ, `refers to nothing, few columns, ${readers.length} foreign keys lead here`)
    }
  }
  const open = () => catalog.tables.filter((table) => !owners.has(tableId(table)))
  const groups = groupsByStem(catalog.tables)
  for (const table of open()) {
    const group = groups.get(stemOf(table.name)) ?? []
    const services = new Set(group.map((one) => owners.get(tableId(one))?.owner).filter((owner) => owner !== undefined))
    const [service] = services
    if (services.size === 1 && service && service !== SHARED_READ)
      decide(table, service, `named like others of ${service}`)
  }
  for (const [stem, group] of groupsByStem(open())) {
    if (group.length < 2) continue
    for (const table of group) decide(table, serviceName(stem), `named ${stem}_..., as ${group.length - 1} more`)
  }
  for (const table of open()) {
    const readers = links.filter(({ to }) => to === tableId(table)).length
    const isPart = links.some(({ from, weight }) => from === tableId(table) && weight > 1)
    if (readers >= 3 && !isPart)
      decide(table, serviceName(stemOf(table.name)), `${readers} foreign keys lead here, part of no other`)
  }
  attachByForeignKeys(open(), links, owners, decide)
  for (const table of open())
    decide(table, serviceName(stemOf(table.name)), 'stands alone: no name and no foreign key tells more')
  const isKnown = new Set(known.map(({ service }) => service))
  mergeSmallServices(owners, links, { most: mostServices(catalog.tables.length), keeps: (name) => isKnown.has(name) })

  const tables = catalog.tables.map((table) => {
    const key = suggestKey(table)
    return { ...(owners.get(tableId(table)) as SuggestedOwner), ...(key && { key }) }
  })
  const services = new Set(tables.map(({ owner }) => owner).filter((owner) => owner !== SHARED_READ))
  return { services: [...services].toSorted(), tables }
}

/** Columns that are unique and never null, or all of a table that only links others. The plan looks whether its rows agree. */
export function suggestKey(table: SharedTable): readonly string[] | null {
  if (table.primaryKey.length > 0) return null
  const isNeverNull = (name: string) => table.columns.some((column) => column.name === name && !column.nullable)
  const unique = table.indexes.find(
    ({ unique, columns, parts }) =>
      unique && columns.every(isNeverNull) && !parts?.some(({ prefix }) => prefix !== null),
  )
  if (unique) return unique.columns
  const isLink = table.columns.length <= 3 && table.foreignKeys.length > 0
  const names = table.columns.map(({ name }) => name)
  return isLink && names.every(isNeverNull) ? names : null
}

function knownService(table: SharedTable, known: readonly KnownTable[]): { owner: string; reason: string } | undefined {
  const same = known.filter(({ name }) => name === table.name)
  const exact = same.find(({ schema }) => schema === table.schema)
  if (exact) return { owner: exact.service, reason: `module ${exact.schema} belongs to ${exact.service}` }
  const services = new Set(same.map(({ service }) => service))
  const [only] = same
  if (services.size !== 1 || !only) return undefined
  return { owner: only.service, reason: `named like ${only.schema}.${only.name}, which belongs to ${only.service}` }
}

/** A team cannot run a service for every handful of tables. */
function mostServices(tables: number): number {
  return Math.min(Math.max(Math.ceil(tables / 12), 8), 17)
}

/** Codes and their titles, used from many places. */
function isReference(table: SharedTable, readers: number): boolean {
  return table.foreignKeys.length === 0 && table.columns.length <= 5 && readers >= 3
}

function groupsByStem(tables: readonly SharedTable[]): Map<string, SharedTable[]> {
  const groups = new Map<string, SharedTable[]>()
  for (const table of tables) {
    const stem = stemOf(table.name)
    groups.set(stem, [...(groups.get(stem) ?? []), table])
  }
  return groups
}

/** The first word, in the singular: `lab_orders` -> `lab`, `devices` -> `device`, `policies` -> `policy`. */
function stemOf(name: string): string {
  const [word = name] = name.toLowerCase().split('_')
  if (word.length > 4 && word.endsWith('ies')) return `${word.slice(0, -3)}y`
  return word.length > 3 && word.endsWith('s') && !/(ss|us|is)$/.test(word) ? word.slice(0, -1) : word
}

function serviceName(stem: string): string {
  const name = stem.replace(/[^a-z0-9_]/g, '_').slice(0, 40)
  return /^[a-z]/.test(name) ? name : `t_${name}`.slice(0, 40)
}
