import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { isDeepStrictEqual } from 'node:util'
import { ImhotepError } from '@imhotep/base'
import { tableId, type Key } from '../model.ts'
import type { ServiceSchema } from '../protocol/move.ts'
import { createProgress } from '../protocol/progress.ts'
import type { ServiceDatabase } from '../side.ts'
import { ImportNotEqualError, ImportTablesError, ManifestError } from './errors.ts'
import type { ExportedChunk, ExportedTable, Manifest } from './manifest.ts'

export interface ImportOptions {
  readonly directory: string
  readonly signal: AbortSignal
  readonly sequenceGap: number
  readonly say: (text: string) => void
}

/**
 * Loads an export: checks every file against the manifest first, loads chunk by chunk (a killed import goes on where it
 * was), builds indexes and keys, and compares what the database holds with the digests of the source.
 */
export async function importService(
  target: ServiceDatabase,
  schema: Pick<ServiceSchema, 'createTables' | 'createKeys'>,
  manifest: Manifest,
  options: ImportOptions,
): Promise<void> {
  const { service, tables, copies } = manifest
  const all = [...tables, ...copies]
  for (const table of all) await checkFile(service, table, options)
  await making(service, schema.createTables)
  const progress = createProgress(
    all.reduce((sum, { rows }) => sum + rows, 0),
    (text) => options.say(`importing ${service}: ${text}`),
  )
  for (const table of tables) await loadTable(target, service, table, options, progress.add)
  options.say(`${service}: building indexes and keys`)
  await making(service, schema.createKeys)
  // they are made by the last migration
  for (const table of copies) await loadTable(target, service, table, options, progress.add)
  await compare(target, service, all, options.signal)
  await target.advanceSequences(
    tables.map(({ table }) => table),
    options.sequenceGap,
  )
}

/** What a migration meets that was not made for the database as it is. */
const notMadeForIt = ['IMH_MIGRATION_FAILED', 'IMH_MIGRATION_EDITED']

async function making(service: string, make: () => Promise<void>): Promise<void> {
  try {
    await make()
  } catch (error) {
    if (error instanceof ImhotepError && notMadeForIt.includes(error.code)) throw new ImportTablesError(service, error)
    throw error
  }
}

async function checkFile(
  service: string,
  { file, sha256 }: ExportedTable,
  { directory }: ImportOptions,
): Promise<void> {
  const hash = createHash('sha256')
  try {
    await pipeline(createReadStream(join(directory, file)), hash)
  } catch (cause) {
    throw new ManifestError(directory, service, `${file} cannot be read`, { cause })
  }
  if (hash.digest('hex') !== sha256) throw new ManifestError(directory, service, `${file} is not what was exported`)
}

async function loadTable(
  target: ServiceDatabase,
  service: string,
  { table, file, chunks }: ExportedTable,
  { directory, signal }: ImportOptions,
  onRows: (rows: number) => void,
): Promise<void> {
  const loaded = await target.loaded(table)
  if (!isBegunWith(chunks, loaded)) throw new ImportNotEqualError(service, [tableId(table.target)])
  onRows(loaded.rows)
  if (loaded.complete) return
  const handle = await open(join(directory, file))
  try {
    let offset = 0
    let rows = 0
    for (const chunk of chunks) {
      signal.throwIfAborted()
      if (rows >= loaded.rows) {
        const data = Buffer.alloc(chunk.bytes)
        await handle.read(data, 0, chunk.bytes, offset)
        await target.load(table, { rows: chunk.rows, format: 'text', data, last: chunk.last })
        onRows(chunk.rows)
      }
      offset += chunk.bytes
      rows += chunk.rows
    }
    await target.load(table, { rows: 0, format: 'text', data: Buffer.alloc(0), last: null })
  } finally {
    await handle.close()
  }
}

function isBegunWith(chunks: readonly ExportedChunk[], { rows, last }: { rows: number; last: Key | null }): boolean {
  if (last === null) return true
  let before = 0
  return chunks.some((chunk) => (before += chunk.rows) === rows && isDeepStrictEqual(chunk.last, last))
}

async function compare(
  target: ServiceDatabase,
  service: string,
  tables: readonly ExportedTable[],
  signal: AbortSignal,
): Promise<void> {
  const moved = tables.map(({ table }) => table)
  const snapshot = await target.snapshot(moved, { exact: false })
  try {
    const different = new Set<string>()
    for (const { table, ranges } of tables) {
      let after: Key | null = null
      for (const { last, rows, digest } of ranges) {
        signal.throwIfAborted()
        const found = await snapshot.digestRange(table, after, last)
        if (found.rows !== rows || found.digest !== digest) different.add(tableId(table.target))
        after = last
      }
      const behind = await snapshot.digestRange(table, after, null)
      if (behind.rows > 0) different.add(tableId(table.target))
    }
    if (different.size > 0) throw new ImportNotEqualError(service, [...different])
  } finally {
    await snapshot.close()
  }
}
