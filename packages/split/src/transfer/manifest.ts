import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Key, MovedTable, Position } from '../model.ts'
import type { SplitPlan } from '../plan/split-plan.ts'
import type { Digest } from '../side.ts'
import { ManifestError } from './errors.ts'

/** What an export says of itself: enough to load it, and to prove that what was loaded is what was read. */
export interface Manifest {
  readonly format: typeof format
  readonly service: string
  /** Server and database that it was read from, without user and password. */
  readonly source: string
  readonly position: Position
  readonly exportedAt: string
  /** By which it was made, for a ledger that has none. */
  readonly plan: SplitPlan
  readonly tables: readonly ExportedTable[]
  /** Of other services: its read-only copies. */
  readonly copies: readonly ExportedTable[]
}

export interface ExportedTable {
  readonly table: MovedTable
  /** Beside the manifest. */
  readonly file: string
  readonly rows: number
  /** Of the file. */
  readonly sha256: string
  /** In the order of the file, which is that of an index of the source. */
  readonly chunks: readonly ExportedChunk[]
  /** In the order that all servers share. */
  readonly ranges: readonly ExportedRange[]
}

/** A part of the file that is loaded as one. */
export interface ExportedChunk {
  readonly bytes: number
  readonly rows: number
  readonly last: Key
}

/** Rows behind the `last` of the range before, that are compared as one. */
export interface ExportedRange extends Digest {
  readonly last: Key
}

export const format = 'imhotep split export 2'
export const manifestFile = 'manifest.json'

/**
 * Reads what an export says of itself, and holds it against what is to be imported.
 * @throws ManifestError when there is none, or it is of something else
 */
export function readManifest(directory: string, expected: Pick<Manifest, 'service' | 'source'>): Manifest {
  const { service, source } = expected
  const refuse = (reason: string, options?: ErrorOptions) => new ManifestError(directory, service, reason, options)
  const file = join(directory, manifestFile)
  if (!existsSync(file)) throw refuse('it has no manifest: there is no export, or it was not finished')
  let manifest: Partial<Manifest> | null
  try {
    manifest = JSON.parse(readFileSync(file, 'utf8')) as Partial<Manifest> | null
  } catch (cause) {
    throw refuse('its manifest is damaged', { cause })
  }
  if (manifest?.format !== format) throw refuse('its format is not known')
  if (!Array.isArray(manifest.tables) || !Array.isArray(manifest.copies) || !manifest.plan) {
    throw refuse('its manifest is damaged')
  }
  if (manifest.service !== service) throw refuse(`it is of ${manifest.service}, not of ${service}`)
  if (manifest.source !== source) throw refuse(`it is of ${manifest.source}, not of ${source}`)
  return manifest as Manifest
}
