import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { defaultTopologyOptions, readModules, serviceTopology, type ServiceTopology } from '@imhotep/engine'
import { NotTheModulesError, ServiceScriptMissingError } from '../errors.ts'
import { tableId, type SharedTable, type TableName } from '../model.ts'
import { asItIs } from '../plan/postgres-dialect.ts'
import type { ServicePlan, SplitPlan } from '../plan/split-plan.ts'
import type { OwnedForeignKey, SharedCatalog } from '../side.ts'

export interface ModuleSplitOptions {
  /** `host:port/database` of the shared database. */
  readonly source: string
  /** Its name; the services' databases are called `<name>_<service>`. */
  readonly database: string
  /** Folder of the modules. */
  readonly modules: string
  /** Has `<service>/V001__<service>_schema.sql` for each of them. */
  readonly scripts: string
}

/**
 * The plan for a database of our own modules: what each service gets is what `bundle --topology services` says of it.
 * @throws ServiceScriptMissingError, NotTheModulesError
 */
export async function planModuleSplit(catalog: SharedCatalog, options: ModuleSplitOptions): Promise<SplitPlan> {
  const topologies = await serviceTopology(await readModules(options.modules))
  checkScripts(topologies, options.scripts)
  const shared = new Map(catalog.tables.map((table) => [tableId(table), table]))
  checkTables(topologies, shared)
  const owners = new Map(topologies.flatMap(({ service, tables }) => tables.map((table) => [table, service] as const)))
  const crossing = crossingKeys(catalog, (table) => owners.get(tableId(table)))
  const services = topologies.map((topology): ServicePlan => {
    const tables = topology.tables.map((name) => shared.get(name) as SharedTable)
    return {
      name: topology.service,
      database: `${options.database}_${topology.service}`,
      tables: tables.map(moved),
      reference: [],
      common: commonTables(topology).map((name) => moved(shared.get(name) as SharedTable)),
      keeps: topology.keeps.map(({ table, owner, columns, fill }) => ({
        table,
        owner,
        columns: [...columns, ...softDelete(shared.get(table))],
        fill,
      })),
      rows: tables.reduce((sum, { rows }) => sum + rows, 0),
      bytes: tables.reduce((sum, { bytes }) => sum + bytes, 0),
      crossingKeys: crossing.filter(({ table, references }) =>
        [table, references].some((end) => owners.get(tableId(end)) === topology.service),
      ),
      innerKeys: [],
      copies: [],
      findings: [],
      schema: null,
      leftOut: topology.leftOut.map(({ kind, object, reasons }) => ({
        object: `${kind} ${object}`,
        reason: reasons.join(', '),
      })),
    }
  })
  return {
    kind: 'postgres',
    source: options.source,
    mapHash: createHash('sha256').update(JSON.stringify(topologies)).digest('hex'),
    services: services.toSorted((a, b) => a.crossingKeys.length - b.crossingKeys.length || a.rows - b.rows),
    // What a parent's end means to other services is told by its event; nothing is done to their rows.
    looseKeys: [],
  }
}

/** Its column for rows that are deleted and stay. */
function softDelete(table: SharedTable | undefined): string[] {
  const { softDeleteColumn } = defaultTopologyOptions
  return table?.columns.some(({ name }) => name === softDeleteColumn) ? [softDeleteColumn] : []
}

function moved(table: SharedTable) {
  return asItIs({ table, key: table.primaryKey })
}

/** Tables of the kernel that every service begins with a copy of. */
function commonTables({ kernelTables }: ServiceTopology): string[] {
  return Object.entries(kernelTables).flatMap(([table, start]) => (start === 'copied' ? [table] : []))
}

/** Keys between services. One to a table of the kernel stays inside: every database has it. */
function crossingKeys(catalog: SharedCatalog, ownerOf: (table: TableName) => string | undefined): OwnedForeignKey[] {
  return catalog.tables.flatMap((table) =>
    table.foreignKeys
      .filter(({ references }) => {
        const [child, parent] = [ownerOf(table), ownerOf(references)]
        return child !== undefined && parent !== undefined && child !== parent
      })
      .map((key): OwnedForeignKey => ({ ...key, table: { schema: table.schema, name: table.name } })),
  )
}

function checkScripts(topologies: readonly ServiceTopology[], scripts: string): void {
  const missing = topologies
    .map(({ service }) => join(scripts, service, `V001__${service}_schema.sql`))
    .filter((file) => !existsSync(file))
  if (missing.length > 0) throw new ServiceScriptMissingError(missing)
}

function checkTables(topologies: readonly ServiceTopology[], shared: ReadonlyMap<string, SharedTable>): void {
  const missing = topologies
    .flatMap((topology) => [...topology.tables, ...commonTables(topology)])
    .filter((table) => !shared.has(table))
  if (missing.length > 0) throw new NotTheModulesError([...new Set(missing)])
}
