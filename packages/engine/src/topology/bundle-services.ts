import { bundleModules } from '../bundle/bundle-modules.ts'
import { quoteIdentifier, quoteLiteral } from '../bundle/quote.ts'
import type { Module } from '../modules/module.ts'
import { parseSql } from '../parse/parse-sql.ts'
import { attachComments } from '../plan/attach-comments.ts'
import { PARTS, type Part, type Plan, type PlanSection } from '../plan/plan.ts'
import { quoteKey } from '../print/sql-text.ts'
import { announceSql, projectionSql, softReferenceSql } from './generated-sql.ts'
import { leftOutText } from './left-out-text.ts'
import { cutServices, type CutService } from './service-topology.ts'
import { defaultTopologyOptions, type ServiceTopology, type TopologyOptions } from './topology.ts'
import type { Whole } from './whole.ts'

export interface ServiceBundle {
  readonly topology: ServiceTopology
  /** The script that makes its database; see `bundleModules`. */
  readonly script: string
  /** For people: what the service does not have when it stands alone. Markdown. */
  readonly leftOut: string
}

export interface BundleServicesOptions {
  /** Command that builds the scripts again, named in their heads. */
  readonly command?: string
  readonly topology?: TopologyOptions
}

/** For each service one script that makes its database, sorted by service. The same modules give the same bytes. */
export async function bundleServices(
  modules: readonly Module[],
  options: BundleServicesOptions = {},
): Promise<ServiceBundle[]> {
  const { whole, services } = await cutServices(modules, options.topology ?? defaultTopologyOptions)
  const bundles: ServiceBundle[] = []
  for (const own of services) {
    const { topology } = own
    const script = bundleModules(await servicePlan(whole, own), {
      title: `Database of the service ${topology.service}: ${topology.modules.join(', ')}, and the kernel.`,
      command: options.command ?? 'imhotep bundle --topology services',
    })
    bundles.push({ topology, script, leftOut: leftOutText(topology) })
  }
  return bundles
}

async function servicePlan(whole: Whole, own: CutService): Promise<Plan> {
  const schemas = own.cut.foreignSchemas.map((schema) => foreignSchemaSql(schema, whole))
  const first = await section('foundation', 'other services', schemas)
  const sections = [first, ...sectionsOf(own), ...(await generatedSections(whole, own))]
  const services = [own.topology.service, whole.options.kernel]
  return {
    modules: whole.plan.modules.filter(({ service }) => services.includes(service)),
    added: [],
    sections: PARTS.flatMap((part) => sections.filter((one) => one.part === part && one.statements.length > 0)),
    leftOut: [],
  }
}

function sectionsOf({ cut }: CutService): PlanSection[] {
  const sections: PlanSection[] = []
  for (const { part, module, file, statement } of cut.pieces) {
    const last = sections.at(-1)
    if (last?.part === part && last.file === file) last.statements.push(statement)
    else sections.push({ part, title: `${part} of ${module}`, module, file, statements: [statement] })
  }
  return sections
}

/** Behind the sections of their part: what stands for the other services. */
async function generatedSections(whole: Whole, { topology, cut }: CutService): Promise<PlanSection[]> {
  const { catalog, options } = whole
  const here = new Set(schemasOf(whole, [topology.service, options.kernel]))
  const tables = [...new Set(topology.softReferences.map(({ table }) => table))]
  const checks = tables.map((table) => {
    const own = topology.softReferences.filter((reference) => reference.table === table)
    return softReferenceSql(table, own, options)
  })
  return [
    await section(
      'tables',
      'other services',
      topology.projections.map((table) => projectionSql(table, catalog, here, options)),
    ),
    await section('functions', 'soft references', checks),
    await section(
      'functions',
      'announcements',
      topology.publishes.map((table) => announceSql(table, catalog, options)),
    ),
    await section('grants', 'other services', grantsSql(topology, cut.foreignSchemas, options)),
  ]
}

async function section(part: Part, module: string, scripts: readonly string[]): Promise<PlanSection> {
  const parsed = await parseSql(scripts.filter(Boolean).join('\n'), `${module}.sql`)
  if (parsed.errors[0]) throw parsed.errors[0]
  return { part, title: `${part} of ${module}`, module, file: parsed.file, statements: attachComments(parsed) }
}

function schemasOf({ services }: Whole, owners: readonly string[]): string[] {
  return [...services].filter(([, owner]) => owners.includes(owner)).map(([schema]) => schema)
}

function foreignSchemaSql(schema: string, { services }: Whole): string {
  const about = `What is kept here of the service ${services.get(schema)}: views of what it publishes, functions that read them.`
  return `create schema ${quoteIdentifier(schema)};

comment on schema ${quoteIdentifier(schema)} is ${quoteLiteral(`owner=${services.get(schema)};about=${about}`)};
`
}

function grantsSql(topology: ServiceTopology, schemas: readonly string[], options: TopologyOptions): string[] {
  const service = quoteLiteral(topology.service)
  // the kernel's functions run as its owner
  const kernel = options.roles(options.kernel)[0] ?? ''
  const readers = [...options.roles(topology.service).slice(1), kernel].join(', ')
  const views = topology.projections.map(({ table }) => quoteKey(table))
  const read = new Set(topology.projections.map(({ table }) => quoteIdentifier(table.split('.')[0] ?? '')))
  return [
    ...schemas.map((schema) => `select ${options.handOverFunction}(${quoteLiteral(schema)}, ${service});\n`),
    read.size === 0 ? '' : `\ngrant usage on schema ${[...read].join(', ')} to ${kernel};\n`,
    views.length === 0 ? '' : `\ngrant select on\n  ${views.join(',\n  ')}\nto ${readers};\n`,
    `\nselect ${options.closeFunction}(${service});\n`,
  ]
}
