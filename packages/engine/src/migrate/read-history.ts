import { readFile, readdir, realpath } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { DuplicateVersionError, MigrationDirectoryError, MigrationEncodingError, MigrationNameError } from './errors.ts'
import { planKnexFiles } from './knex/plan-files.ts'
import {
  canonicalVersion,
  compareVersions,
  isKnexFile,
  migrationFileName,
  parseMigrationName,
  sha256,
  withOwnVersions,
  type MigrationFile,
} from './migration-file.ts'
import { upAndDown } from './up-and-down.ts'

/** A migration given as text instead of a file on disk. */
export interface MigrationSource {
  /** Path or file name; the version is read from its last part. */
  readonly path: string
  readonly text: string
}

/**
 * Reads the migration files of a directory (of its sub-directories only those that are named like a version): versioned files in
 * version order, then repeatable files by name, then undo files. A file that says both ways is two. Knex files (`.js`, `.ts`) are planned: their text is the SQL that they send.
 * @throws KnexMissingError, KnexLoadError, MigrationDirectoryError, MigrationNameError, DuplicateVersionError, MigrationEncodingError
 */
export async function readHistory(directory: string): Promise<MigrationFile[]> {
  const names = await migrationFiles(directory)
  const contents = await Promise.all(names.map((name) => readFile(join(directory, name))))
  const files = orderFiles(names.map((path, n) => ({ path, bytes: contents[n] ?? Buffer.alloc(0) })))
  const programs = files.filter(({ file }) => isKnexFile(file))
  if (programs.length === 0) return files
  const root = await realpath(directory)
  return planKnexFiles(files, new Map(programs.map((file) => [file, join(root, file.file)])), root)
}

/**
 * The same for SQL files that are already in memory.
 * @throws MigrationNameError, DuplicateVersionError
 */
export function historyOf(sources: readonly MigrationSource[]): MigrationFile[] {
  const programs = sources.filter(({ path }) => isKnexFile(path))
  if (programs.length > 0) throw new MigrationNameError(programs.map(({ path }) => basename(path)))
  return orderFiles(sources.map(({ path, text }) => ({ path, bytes: Buffer.from(text) })))
}

async function migrationFiles(directory: string): Promise<string[]> {
  let entries
  try {
    entries = await readdir(directory, { withFileTypes: true })
  } catch (cause) {
    throw new MigrationDirectoryError(directory, { cause })
  }
  const folders = entries.filter((entry) => entry.isDirectory())
  const inside = await Promise.all(folders.map(({ name }) => filesOfFolder(directory, name)))
  return entries
    .filter((entry) => !entry.isDirectory() && (entry.name.endsWith('.sql') || isKnexFile(entry.name)))
    .map((entry) => entry.name)
    .concat(...inside)
}

/** Those of a folder that has a version. */
async function filesOfFolder(directory: string, folder: string): Promise<string[]> {
  if (!/^\d/.test(folder)) return []
  const names = await readdir(join(directory, folder))
  return names.map((name) => `${folder}/${name}`).filter((name) => migrationFileName(name) === name)
}

interface FileBytes {
  readonly path: string
  readonly bytes: Buffer
}

function orderFiles(sources: readonly FileBytes[]): MigrationFile[] {
  const badNames = sources
    .map(({ path }) => migrationFileName(path))
    .filter((name) => parseMigrationName(name) === null)
  if (badNames.length > 0) throw new MigrationNameError(badNames.toSorted())

  const files = withOwnVersions(sources.flatMap(toMigrationFiles)).toSorted(compareFiles)
  for (let n = 1; n < files.length; n++) {
    const [before, file] = [files[n - 1], files[n]]
    if (before && file && compareFiles(before, file) === 0) {
      throw new DuplicateVersionError(file.version, [before.file, file.file])
    }
  }
  return files
}

/** One, or two of a file that says both ways. */
function toMigrationFiles({ path, bytes }: FileBytes): MigrationFile[] {
  const file = migrationFileName(path)
  const name = parseMigrationName(file)
  if (!name) throw new MigrationNameError([file])
  const { up, down } = upAndDown(decode(bytes, file))
  const checksum = sha256(bytes)
  const there: MigrationFile = { ...name, file, text: up, checksum }
  return down === null ? [there] : [there, { ...name, kind: 'undo', file, text: down, checksum }]
}

function decode(bytes: Buffer, file: string): string {
  try {
    // Drops a byte order mark, which PostgreSQL would call a syntax error.
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (cause) {
    throw new MigrationEncodingError(file, { cause })
  }
}

const KIND_ORDER = { baseline: 0, versioned: 1, repeatable: 2, undo: 3 }

function compareFiles(a: MigrationFile, b: MigrationFile): number {
  if (a.kind !== b.kind) return KIND_ORDER[a.kind] - KIND_ORDER[b.kind]
  if (a.kind !== 'repeatable') return compareVersions(a.version, b.version)
  const [left, right] = [canonicalVersion(a.version), canonicalVersion(b.version)]
  return left === right ? 0 : left < right ? -1 : 1
}
