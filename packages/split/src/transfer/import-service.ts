import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { tableId, type Key } from '../model.ts'
import type { ServiceSchema } from '../protocol/move.ts'
import { createProgress } from '../protocol/progress.ts'
import type { ServiceDatabase } from '../side.ts'
import { ImportNotEqualError, ManifestError } from './errors.ts'
import { readManifest, type ExportedTable, type Manifest } from './manifest.ts'

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
  schema: ServiceSchema,
  options: ImportOptions,
): Promise<Manifest> {
  const manifest = readManifest(options.directory)
  for (const table of manifest.tables) await checkFile(options.directory, table)
  await schema.createTables()
  const progress = createProgress(
    manifest.tables.reduce((sum, { rows }) => sum + rows, 0),
    (text) => options.say(`importing ${manifest.service}: ${text}`),
  )
  for (const table of manifest.tables) await loadTable(target, table, options, progress.add)
  options.say(`${manifest.service}: building indexes and keys`)
  await schema.createKeys()
  await compare(target, manifest, options.signal)
  await target.advanceSequences(
    manifest.tables.map(({ table }) => table),
    options.sequenceGap,
  )
  await schema.grant()
  return manifest
}

async function checkFile(directory: string, { file, sha256 }: ExportedTable): Promise<void> {
  const hash = createHash('sha256')
  try {
    await pipeline(createReadStream(join(directory, file)), hash)
  } catch (cause) {
    throw new ManifestError(directory, `${file} cannot be read`, { cause })
  }
  if (hash.digest('hex') !== sha256) throw new ManifestError(directory, `${file} is not what was exported`)
}

async function loadTable(
  target: ServiceDatabase,
  { table, file, chunks }: ExportedTable,
  { directory, signal }: ImportOptions,
  onRows: (rows: number) => void,
): Promise<void> {
  const loaded = await target.loaded(table)
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

async function compare(target: ServiceDatabase, { tables }: Manifest, signal: AbortSignal): Promise<void> {
  const moved = tables.map(({ table }) => table)
  const snapshot = await target.snapshot(moved, { exact: false })
  try {
    const different = new Set<string>()
    for (const { table, chunks } of tables) {
      let after: Key | null = null
      for (const { last, rows, digest } of chunks) {
        signal.throwIfAborted()
        const found = await snapshot.digestRange(table, after, last)
        if (found.rows !== rows || found.digest !== digest) different.add(tableId(table.target))
        after = last
      }
      const behind = await snapshot.digestRange(table, after, null)
      if (behind.rows > 0) different.add(tableId(table.target))
    }
    if (different.size > 0) throw new ImportNotEqualError([...different])
  } finally {
    await snapshot.close()
  }
}
