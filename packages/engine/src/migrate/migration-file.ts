import { createHash } from 'node:crypto'
import { basename, dirname } from 'node:path'
import type { KnexMigration } from './knex/knex-migration.ts'

/** One file of a migration history. Its version is its identity; the file name may change. */
export interface MigrationFile {
  /** As written in the file name (`001`, `1.2`); `R__name` for a repeatable file. */
  readonly version: string
  /** The words of the file name: `complete_hims_schema`. */
  readonly name: string
  /** baseline: stands for all versions up to its own, for a database that has none yet. */
  readonly kind: 'versioned' | 'repeatable' | 'undo' | 'baseline'
  /** File name (behind its folder's where that has the version), as messages and the history show it. */
  readonly file: string
  /** The file's text without a byte order mark. */
  readonly text: string
  /** sha256 of the exact bytes. */
  readonly checksum: Buffer
  /** SQL that takes the file back, where the file itself says how: what `down` of a Knex file sends. */
  readonly undoText?: string
  /** The program of a Knex file; `text` is the SQL that it was seen to send, and running it is calling it. */
  readonly knex?: KnexMigration
  /** What could not be told about a Knex file without running it. */
  readonly notes?: readonly MigrationNote[]
}

/** Where the plan of a Knex file may differ from its run. */
export interface MigrationNote {
  readonly step: 'up' | 'down'
  /** Line of the file, counted from 1; null when it is not known. */
  readonly line: number | null
  /** unknown: its code asked for this, and was told that there is nothing. stopped: its code failed, the plan ends there. */
  readonly kind: 'unknown' | 'stopped'
  readonly message: string
}

/** A file's name, taken apart. */
export type MigrationName = Pick<MigrationFile, 'version' | 'name' | 'kind'>

/** The prefix of versioned files may be set to nothing: `20240229123000__x.sql`. */
const FLYWAY_VERSIONED = /^([VUB]?)(\d+(?:[._]\d+)*)__(.+)\.sql$/
const FLYWAY_REPEATABLE = /^R__(.+)\.sql$/
/** sql-migrate has `-` behind its timestamp. */
const SEQUENTIAL = /^(\d+(?=_)|\d{14}(?=-))(?:__|[_-])([^_/][^/]*?)(?:\.(up|down))?\.(?:sql|[cm]?[jt]s)$/
/** A folder a version: Prisma and Drizzle (`20260101120000_x/migration.sql`), Hasura and Diesel (`2026-01-01-120000_x/up.sql`). */
const FOLDER = /^(\d[\d-]*)_([^/]+)\/(migration|up|down)\.sql$/
/** What Knex writes: `20260101120000_add_x.ts`; declarations are no programs. */
const KNEX = /(?<!\.d)\.[cm]?[jt]s$/

const KINDS: Record<string, MigrationName['kind']> = { U: 'undo', B: 'baseline' }

/** The part of a path by which a history knows a file: its name, and its folder's where that has the version. */
export function migrationFileName(path: string): string {
  const file = basename(path)
  const withFolder = `${basename(dirname(path))}/${file}`
  return FOLDER.test(withFolder) ? withFolder : file
}

/**
 * Reads Flyway's (`V001__x.sql`, `V1.2__x.sql`, `001__x.sql`, `R__x.sql`, `U001__x.sql`, `B001__x.sql`), sequential
 * (`001_x.sql`, `001_x.ts`, `001_x.up.sql`, `001_x.down.sql`) and folders' names (`001_x/migration.sql`); null for others.
 */
export function parseMigrationName(file: string): MigrationName | null {
  const flyway = FLYWAY_VERSIONED.exec(file)
  if (flyway) {
    const version = (flyway[2] ?? '').replaceAll('_', '.')
    return { version, name: flyway[3] ?? '', kind: KINDS[flyway[1] ?? ''] ?? 'versioned' }
  }
  const repeatable = FLYWAY_REPEATABLE.exec(file)
  if (repeatable) return { version: `R__${repeatable[1]}`, name: repeatable[1] ?? '', kind: 'repeatable' }
  const [, version, name = '', way] = SEQUENTIAL.exec(file) ?? FOLDER.exec(file) ?? []
  if (version === undefined) return null
  return { version: version.replaceAll('-', ''), name, kind: way === 'down' ? 'undo' : 'versioned' }
}

/** True for a JavaScript or TypeScript file. */
export function isKnexFile(file: string): boolean {
  return KNEX.test(file)
}

/**
 * Knex tells its files by their whole names: those that have one number get versions of their own, `20260101120000.1` for
 * the second in the order of the names.
 */
export function withOwnVersions<File extends Pick<MigrationFile, 'file' | 'version'>>(files: readonly File[]): File[] {
  const counts = new Map<string, number>()
  const versions = new Map<string, string>()
  for (const { file, version } of files.toSorted((a, b) => (a.file < b.file ? -1 : 1))) {
    if (!isKnexFile(file)) continue
    const count = counts.get(canonicalVersion(version)) ?? 0
    counts.set(canonicalVersion(version), count + 1)
    if (count > 0) versions.set(file, `${version}.${count}`)
  }
  return files.map((own) => ({ ...own, version: versions.get(own.file) ?? own.version }))
}

/** The one spelling of a version: `001`, `1` and `1.0` are the same. Names of repeatable files stay as they are. */
export function canonicalVersion(version: string): string {
  if (!/^\d+(\.\d+)*$/.test(version)) return version
  return version
    .split('.')
    .map((part) => part.replace(/^0+(?=\d)/, ''))
    .join('.')
    .replace(/(\.0)+$/, '')
}

/** Orders versions part by part as numbers, so that 2 comes before 10 and 1.9 before 1.10. */
export function compareVersions(a: string, b: string): number {
  const left = canonicalVersion(a).split('.')
  const right = canonicalVersion(b).split('.')
  for (let n = 0; n < Math.max(left.length, right.length); n++) {
    const difference = BigInt(left[n] ?? 0) - BigInt(right[n] ?? 0)
    if (difference !== 0n) return difference < 0n ? -1 : 1
  }
  return 0
}

/** True for what `compareVersions` can order. */
export function isVersion(text: string): boolean {
  return /^\d+(\.\d+)*$/.test(text)
}

export function sha256(content: Buffer | string): Buffer {
  return createHash('sha256').update(content).digest()
}
