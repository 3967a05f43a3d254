import { basename } from 'node:path'
import {
  compareVersions,
  isVersion,
  migrationFileName,
  parseMigrationName,
  type MigrationName,
} from '../migrate/migration-file.ts'
import { fillPlaceholders } from '../migrate/placeholders.ts'
import { declaresNoTransaction } from '../migrate/transaction-mode.ts'
import { upAndDown } from '../migrate/up-and-down.ts'
import { parseSql } from '../parse/parse-sql.ts'
import type { LintOptions } from './lint-files.ts'
import type { LintedFile } from './rule.ts'

/** A file of a history: SQL, or what stands for it (the SQL that a migration in another language runs). */
export interface LintSource {
  readonly path: string
  readonly text: string
  /** Default: what the path says. */
  readonly name?: MigrationName | undefined
  /** A program whose SQL is known in part only: the names in it may mean anything. */
  readonly beyond?: string | undefined
}

/**
 * Parses the files and puts them into the order in which they run: by version, then repeatable ones, then undo files. A file
 * that says both ways is there twice.
 */
export async function readFiles(sources: readonly LintSource[], options: LintOptions): Promise<LintedFile[]> {
  const named = sources.flatMap((source) => waysOf(source, options))
  const ordered = named
    .filter((file) => !isCovered(file, named))
    .toSorted((a, b) => compareNames(a.name, b.name) || (a.path < b.path ? -1 : 1))
  const files: LintedFile[] = []
  for (const [order, { path, text, whole, name, isFilled, beyond }] of ordered.entries()) {
    const parsed = await parseSql(text, path)
    files.push({
      ...parsed,
      whole,
      name,
      order,
      pending: isPending(path, name, options),
      isFilled,
      beyond,
      transactional: !declaresNoTransaction(text),
    })
  }
  return files
}

function waysOf({ path, text, name: given, beyond: program }: LintSource, { placeholders }: LintOptions) {
  const name = given ?? parseMigrationName(migrationFileName(path))
  const whole = fillPlaceholders(text, placeholders, basename(path))
  const { up, down } = upAndDown(whole)
  const there = { path, text: up, whole, name, isFilled: whole !== text, beyond: program ?? null }
  if (down === null || name === null) return [there]
  return [there, { ...there, text: down, name: { ...name, kind: 'undo' as const } }]
}

/** A baseline file makes again what the versions make that it stands for: where they are there, they are looked at. */
function isCovered({ name }: { name: MigrationName | null }, all: readonly { name: MigrationName | null }[]): boolean {
  if (name?.kind !== 'baseline') return false
  return all.some(({ name: other }) => other?.kind === 'versioned' && compareVersions(other.version, name.version) <= 0)
}

const KINDS = { baseline: 0, versioned: 1, repeatable: 2, undo: 3 }

/** Files whose name says nothing keep their order by path, before the others. */
function compareNames(a: MigrationName | null, b: MigrationName | null): number {
  if (!a || !b) return Number(a !== null) - Number(b !== null)
  if (a.kind !== b.kind) return KINDS[a.kind] - KINDS[b.kind]
  return a.kind === 'repeatable' ? 0 : compareVersions(a.version, b.version)
}

function isPending(path: string, name: MigrationName | null, { since, isApplied, isIgnored }: LintOptions): boolean {
  if (isIgnored?.(path)) return false
  if (isApplied) return !isApplied(path)
  if (since === undefined || !isVersion(since) || !name || name.kind === 'repeatable') return true
  return compareVersions(name.version, since) > 0
}
