import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Key, MovedTable, Position } from '../model.ts'
import { ManifestError } from './errors.ts'

/** What an export says of itself: enough to load it, and to prove that what was loaded is what was read. */
export interface Manifest {
  readonly format: 'imhotep split export 1'
  readonly service: string
  /** Server and database that it was read from, without user and password. */
  readonly source: string
  readonly position: Position
  readonly exportedAt: string
  readonly tables: readonly ExportedTable[]
}

export interface ExportedTable {
  readonly table: MovedTable
  /** Beside the manifest. */
  readonly file: string
  readonly rows: number
  /** Of the file. */
  readonly sha256: string
  readonly chunks: readonly ExportedChunk[]
}

/** A part of the file that is loaded and compared as one. */
export interface ExportedChunk {
  readonly bytes: number
  readonly rows: number
  readonly last: Key
  /** Of the rows, as both servers compute it. */
  readonly digest: string
}

export const manifestFile = 'manifest.json'

/** @throws ManifestError when there is none, or an export was not finished */
export function readManifest(directory: string): Manifest {
  let manifest: Partial<Manifest>
  try {
    manifest = JSON.parse(readFileSync(join(directory, manifestFile), 'utf8')) as Partial<Manifest>
  } catch (cause) {
    throw new ManifestError(directory, 'it has no manifest: the export was not finished', { cause })
  }
  if (manifest.format !== 'imhotep split export 1') throw new ManifestError(directory, 'its format is not known')
  return manifest as Manifest
}
