import { compareText } from '../modules/compare-text.ts'
import { dependencyOrder } from '../modules/dependency-order.ts'
import { ModuleError } from '../modules/module-error.ts'
import type { Module, StartOfTable } from '../modules/module.ts'
import { cutOut, type CutOut } from './cut-out.ts'
import { fillSql } from './generated-sql.ts'
import {
  defaultTopologyOptions,
  type PublishedTable,
  type ServiceTopology,
  type SoftReference,
  type TopologyOptions,
} from './topology.ts'
import { readWhole, type Whole } from './whole.ts'

/** A service and the cut that its script is made of. */
export interface CutService {
  readonly topology: ServiceTopology
  readonly cut: CutOut
}

export interface CutServices {
  readonly whole: Whole
  readonly services: CutService[]
}

/**
 * What each service's database holds: its modules' tables and the kernel's, and instead of a foreign key into another
 * service a soft reference. Sorted by service; a service without modules owns no data and is not listed.
 *
 * @throws ModuleError for a table that cannot stand without another service, and for a table of the kernel of which no
 * module says what it starts with.
 */
export async function serviceTopology(
  modules: readonly Module[],
  options: TopologyOptions = defaultTopologyOptions,
): Promise<ServiceTopology[]> {
  return (await cutServices(modules, options)).services.map(({ topology }) => topology)
}

/** Services that have a database. */
export function serviceNames(
  modules: readonly Module[],
  { kernel }: Pick<TopologyOptions, 'kernel'> = defaultTopologyOptions,
): string[] {
  return [...new Set(modules.map(({ service }) => service))].filter((name) => name !== kernel)
}

export async function cutServices(
  modules: readonly Module[],
  options: TopologyOptions = defaultTopologyOptions,
): Promise<CutServices> {
  const whole = await readWhole(modules, options)
  const kernelTables = startsOf(whole)
  const published = publishedTables(whole)
  const services = serviceNames(modules, options)
    .toSorted(compareText)
    .map((service) => {
      const cut = cutOut(whole, service)
      const own = new Set(ownedTables(whole, service))
      const references = softReferences(whole, service)
      const kept = new Set([...cut.reads, ...references.filter(({ checked }) => checked).map((key) => key.references)])
      return {
        cut,
        topology: {
          service,
          modules: dependencyOrder(modules.filter((module) => module.service === service)).map(({ name }) => name),
          tables: [...own],
          kernelTables,
          softReferences: references,
          projections: cut.reads.flatMap((table) => published.get(table) ?? []),
          keeps: [...published.values()].filter(({ table }) => kept.has(table)),
          publishes: [...published.values()].filter(({ table }) => own.has(table)),
          copiedFunctions: cut.copied,
          rewritten: cut.rewritten,
          leftOut: cut.leftOut,
        },
      }
    })
  return { whole, services }
}

function ownedTables({ catalog, services }: Whole, service: string): string[] {
  return [...catalog.tables.values()]
    .filter((table) => services.get(table.schema) === service && table.partitionOf === null)
    .map((table) => `${table.schema}.${table.name}`)
    .toSorted(compareText)
}

/** Every table that another service refers to or that is published to read. */
function publishedTables(whole: Whole): Map<string, PublishedTable> {
  const names = new Set(whole.published.keys())
  for (const service of new Set(whole.services.values())) {
    for (const { references, checked } of softReferences(whole, service)) if (checked) names.add(references)
  }
  return new Map(
    [...names].toSorted(compareText).map((table) => {
      const owner = whole.services.get(table.split('.')[0] ?? '') ?? ''
      const columns = [...(whole.published.get(table) ?? [])]
      return [table, { table, owner, columns, fill: fillSql(table, columns, owner, whole.catalog, whole.options) }]
    }),
  )
}

function softReferences({ catalog, services, options }: Whole, service: string): SoftReference[] {
  const found: SoftReference[] = []
  for (const table of catalog.tables.values()) {
    if (services.get(table.schema) !== service || table.partitionOf !== null) continue
    for (const { kind, name, columns, references, referencedColumns } of table.constraints.values()) {
      const owner = references === null ? undefined : services.get(references.split('.')[0] ?? '')
      if (kind !== 'foreign key' || !references || !owner || owner === service || owner === options.kernel) continue
      const column = columns[referencedColumns.indexOf('id')]
      if (column === undefined)
        throw new ModuleError([
          `${table.schema}.${table.name}: ${name} refers to another service by something else than its id`,
        ])
      found.push({
        table: `${table.schema}.${table.name}`,
        constraint: name,
        column,
        references,
        owner,
        checked: referencedColumns.includes(options.tenantColumn),
      })
    }
  }
  return found.toSorted((a, b) => compareText(`${a.table} ${a.constraint}`, `${b.table} ${b.constraint}`))
}

function startsOf({ modules, catalog, options }: Whole): Record<string, StartOfTable> {
  const starts: [string, StartOfTable][] = []
  const problems: string[] = []
  for (const { name, schema, service, separate } of modules) {
    if (service !== options.kernel) continue
    for (const table of catalog.tables.values()) {
      if (table.schema !== schema || table.partitionOf !== null) continue
      const start = separate?.starts[table.name]
      if (start) starts.push([`${schema}.${table.name}`, start])
      else problems.push(`${name}/module.json: "starts" does not say what ${schema}.${table.name} starts with`)
    }
  }
  if (problems.length > 0) throw new ModuleError(problems, 'write copied, fresh or projection for each table')
  return Object.fromEntries(starts.toSorted(([a], [b]) => compareText(a, b)))
}
