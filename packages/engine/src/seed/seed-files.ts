import { compareText } from '../modules/compare-text.ts'
import { allRequired, dependencyOrder } from '../modules/dependency-order.ts'
import type { Module, ModuleFile } from '../modules/module.ts'
import { sha256, type MigrationFile } from '../migrate/migration-file.ts'
import { SeedOrderError } from './errors.ts'

export type SeedKind = 'system' | 'demo'

export interface SeedFile extends MigrationFile {
  /** Versions of the seeds that have to be there first; others may run at the same time. */
  readonly after: readonly string[]
}

interface Place {
  readonly module: Module
  readonly file: ModuleFile
}

/**
 * The seeds of modules in an order in which they can run one by one: the numbers by hundreds, in each a module behind what
 * it requires, in a module by number. A seed waits for those before it that are of its own module or of one that this
 * requires, and for those that its first lines name: `-- imhotep:after <module>[/<file>] ...`, or `*` for all before it.
 * @throws SeedOrderError for a name that is none of a seed before it, unless it is of a module that is not there
 */
export function seedFiles(modules: readonly Module[], kind: SeedKind): SeedFile[] {
  const required = allRequired(modules)
  const seeds = dependencyOrder(modules).flatMap((module, rank) => {
    const files = module.seeds[kind].toSorted((a, b) => a.band - b.band || compareText(a.name, b.name))
    return files.map((file) => ({ module, rank, hundred: Math.floor(file.band / 100), file }))
  })
  const ordered = seeds.toSorted((a, b) => a.hundred - b.hundred || a.rank - b.rank)
  const known = new Set(modules.map(({ name }) => name))
  return ordered.map((seed, at) => {
    const { module, file } = seed
    const before = ordered.slice(0, at)
    const needed = new Set([module.name, ...(required.get(module.name) ?? [])])
    const named = new Set(namesAfter(file.text).flatMap((name) => seedsNamed(name, before, known, file)))
    const first = before.filter((other) => needed.has(other.module.name) || named.has(other))
    return {
      ...toMigrationFile(module, file, kind),
      after: first.map((other) => versionOf(other.module, other.file, kind)),
    }
  })
}

/** What `-- imhotep:after` names in the comment that a file begins with. */
function namesAfter(text: string): string[] {
  const comment = /^\ufeff?(?:[ \t]*(?:--.*)?\r?\n)*/.exec(text)?.[0] ?? ''
  return [...comment.matchAll(/^[ \t]*--[ \t]*imhotep:after[ \t]+(.*\S)/gm)].flatMap(([, names = '']) =>
    names.split(/[\s,]+/),
  )
}

function seedsNamed<T extends Place>(
  name: string,
  before: readonly T[],
  known: ReadonlySet<string>,
  by: ModuleFile,
): T[] {
  if (name === '*') return [...before]
  const [module = '', file] = name.split('/')
  if (!known.has(module)) return []
  const found = before.filter(
    (other) => other.module.name === module && (file === undefined || baseName(other.file.path) === file),
  )
  if (found.length === 0) throw new SeedOrderError(by.path, name)
  return found
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
