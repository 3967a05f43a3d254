import { compareText } from '../modules/compare-text.ts'
import { dependencyOrder } from '../modules/dependency-order.ts'
import type { Module, ModuleFile } from '../modules/module.ts'
import { sha256, type MigrationFile } from '../migrate/migration-file.ts'

export type SeedKind = 'system' | 'demo'

/**
 * The seeds of modules in the order in which they run: the bands of a hundred one after the other, in each the modules
 * behind what they require, in a module by number. What has to wait for all modules stands in a higher band.
 */
export function seedFiles(modules: readonly Module[], kind: SeedKind): MigrationFile[] {
  const seeds = dependencyOrder(modules).flatMap((module, rank) => {
    const files = module.seeds[kind].toSorted((a, b) => a.band - b.band || compareText(a.name, b.name))
    return files.map((file) => ({ module, rank, file }))
  })
  return seeds
    .toSorted((a, b) => hundred(a.file) - hundred(b.file) || a.rank - b.rank)
    .map(({ module, file }) => toMigrationFile(module, file, kind))
}

function hundred({ band }: ModuleFile): number {
  return Math.floor(band / 100)
}

function toMigrationFile(module: Module, { path, text }: ModuleFile, kind: SeedKind): MigrationFile {
  const name = (path.split('/').at(-1) ?? path).replace(/\.sql$/, '')
  const version = `seed:${kind}:${module.name}/${name}`
  return { version, name, kind: 'repeatable', file: path, text: text.replace(/^\ufeff/, ''), checksum: sha256(text) }
}
