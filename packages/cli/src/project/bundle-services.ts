import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { bundleServices, readModules } from '@imhotep/engine'
import type { BundleServicesData, ServiceFile } from '../output/bundle-services.ts'
import { firstDifference, replaceFile } from './bundle-project.ts'
import type { Project } from './project.ts'

/** Services of Imhotep that own no table and so have no database. */
const WITHOUT_DATABASE = ['main orchestrator'] as const

export interface BundleServicesOptions {
  /** Directory that files are named relative to. */
  readonly cwd: string
  /** Compares instead of writing. */
  readonly check: boolean
}

/** Builds for each service the script of its database and the list of what it lacks, and writes or compares both. */
export async function bundleProjectServices(
  project: Project,
  options: BundleServicesOptions,
): Promise<BundleServicesData> {
  const directory = join(dirname(project.migrations), 'services')
  const bundles = await bundleServices(await readModules(project.modules))
  const services = bundles.map(({ topology, script, leftOut }) => {
    const folder = join(directory, topology.service)
    return {
      service: topology.service,
      files: [
        writeOrCompare(join(folder, `V001__${topology.service}_schema.sql`), script, options),
        writeOrCompare(join(folder, 'LEFT-OUT.md'), leftOut, options),
      ],
      tables: topology.tables.length,
      softReferences: topology.softReferences.length,
      projections: topology.projections.length,
      leftOut: topology.leftOut.length,
    }
  })
  const known = new Set(services.map(({ service }) => service))
  const folders = existsSync(directory) ? readdirSync(directory) : []
  return {
    services,
    withoutDatabase: WITHOUT_DATABASE,
    strangers: folders.filter((name) => !known.has(name)).map((name) => relative(options.cwd, join(directory, name))),
  }
}

function writeOrCompare(file: string, text: string, { check, cwd }: BundleServicesOptions): ServiceFile {
  const current = existsSync(file) ? readFileSync(file, 'utf8') : null
  const isSame = current === text
  if (!isSame && !check) replaceFile(file, text)
  return {
    file: relative(cwd, file),
    state: check ? (isSame ? 'fresh' : 'stale') : isSame ? 'unchanged' : 'written',
    bytes: Buffer.byteLength(text),
    differsAtLine: isSame ? null : firstDifference(current ?? '', text),
  }
}
