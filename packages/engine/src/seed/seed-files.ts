import { compareText } from '../modules/compare-text.ts'
import { allRequired, dependencyOrder } from '../modules/dependency-order.ts'
import type { Module, ModuleFile } from '../modules/module.ts'
import { sha256, type MigrationFile } from '../migrate/migration-file.ts'

export type SeedKind = 'system' | 'demo'

export interface SeedFile extends MigrationFile {
  /** Versions of the seeds that have to be there first; others may run at the same time. */
  readonly after: readonly string[]
}

/**
 * The seeds of modules: the bands of a hundred one after the other, in each a module behind what it requires, in a module
 * by number. What has to wait for all modules stands in a higher band: in one band, modules of which neither requires the
 * other do not wait for each other.
 */
export function seedFiles(modules: readonly Module[], kind: SeedKind): SeedFile[] {
  const required = allRequired(modules)
  const seeds = dependencyOrder(modules).flatMap((module, rank) => {
    const files = module.seeds[kind].toSorted((a, b) => a.band - b.band || compareText(a.name, b.name))
    const needed = new Set([module.name, ...(required.get(module.name) ?? [])])
    return files.map((file) => ({ module, rank, needed, hundred: Math.floor(file.band / 100), file }))
  })
  const ordered = seeds.toSorted((a, b) => a.hundred - b.hundred || a.rank - b.rank)
  return ordered.map(({ module, needed, hundred, file }, at) => {
    const first = ordered.slice(0, at).filter((other) => other.hundred < hundred || needed.has(other.module.name))
    return {
      ...toMigrationFile(module, file, kind),
      after: first.map((seed) => versionOf(seed.module, seed.file, kind)),
    }
  })
}

function versionOf(module: Module, { path }: ModuleFile, kind: SeedKind): string {
  return `seed:${kind}:${module.name}/${baseName(path)}`
}

function baseName(path: string): string {
  return (path.split('/').at(-1) ?? path).replace(/\.sql$/, '')
}

function toMigrationFile(module: Module, file: ModuleFile, kind: SeedKind): MigrationFile {
  const { path, text } = file
  const version = versionOf(module, file, kind)
  return {
    version,
    name: baseName(path),
    kind: 'repeatable',
    file: path,
    text: text.replace(/^\ufeff/, ''),
    checksum: sha256(text),
  }
}
