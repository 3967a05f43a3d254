import type { Module, ModuleFile } from '../modules/module.ts'
import { parseSql } from '../parse/parse-sql.ts'
import { statementReferences } from '../parse/references.ts'
import { defaultTopologyOptions, type TopologyOptions } from './topology.ts'

/**
 * The modules of one service and the kernel's, with the system seeds that go into the service's database: those that
 * name no other service. A seed of another service's module that fills this service's tables alone comes along. Demo
 * seeds tell stories across services: they are moved there from a shared database.
 */
export async function serviceModules(
  modules: readonly Module[],
  service: string,
  { kernel }: TopologyOptions = defaultTopologyOptions,
): Promise<Module[]> {
  const services = new Map(modules.map((module) => [module.schema, module.service]))
  const kept: Module[] = []
  for (const module of modules) {
    const system: ModuleFile[] = []
    for (const file of module.seeds.system) {
      const homes = await servicesNamed(file, services, kernel)
      const isHere = homes.length === 0 ? isOwn(module) : homes.length === 1 && homes[0] === service
      if (isHere) system.push(file)
    }
    if (isOwn(module)) kept.push({ ...module, seeds: { system, demo: [] } })
    else if (system.length > 0) kept.push({ ...module, files: [], seeds: { system, demo: [] } })
  }
  return kept

  function isOwn(module: Module): boolean {
    return module.service === service || module.service === kernel
  }
}

async function servicesNamed(
  file: ModuleFile,
  services: ReadonlyMap<string, string>,
  kernel: string,
): Promise<string[]> {
  const { statements } = await parseSql(file.text, file.path)
  const named = statements.flatMap((statement) => statementReferences(statement))
  return [...new Set(named.flatMap(({ schema }) => services.get(schema) ?? []))].filter((name) => name !== kernel)
}
