import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, open, readdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Key, MovedTable } from '../model.ts'
import { ChunkRows, readSizes, type TableSize } from '../protocol/chunk-rows.ts'
import { createProgress } from '../protocol/progress.ts'
import type { Side, Snapshot } from '../side.ts'
import { ExportExistsError } from './errors.ts'
import { manifestFile, type ExportedChunk, type ExportedTable, type Manifest } from './manifest.ts'

export interface ExportOptions {
  readonly service: string
  readonly directory: string
  readonly chunkRows: number
  readonly signal: AbortSignal
  readonly say: (text: string) => void
}

/**
 * Writes the rows of all tables as of one moment: a file a table in COPY's text form, and last a manifest with counts and
 * digests. A directory without a manifest is no export.
 */
export async function exportService(
  source: Side,
  tables: readonly MovedTable[],
  options: ExportOptions,
): Promise<Manifest> {
  const { directory, service } = options
  if (existsSync(directory) && (await readdir(directory)).length > 0) throw new ExportExistsError(directory)
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const sizes = await readSizes(source, tables)
  const snapshot = await source.snapshot(tables, { exact: true })
  try {
    const progress = createProgress(0, (text) => options.say(`exporting ${service}: ${text}`))
    const exported: ExportedTable[] = []
    for (const size of sizes) exported.push(await exportTable(snapshot, size, options, progress.add))
    const manifest: Manifest = {
      format: 'imhotep split export 1',
      service,
      source: source.label,
      position: snapshot.position,
      exportedAt: new Date().toISOString(),
      tables: exported,
    }
    const draft = join(directory, `${manifestFile}.tmp`)
    await writeFile(draft, `${JSON.stringify(manifest, null, 2)}\n`, { mode: 0o600 })
    await rename(draft, join(directory, manifestFile))
    return manifest
  } finally {
    await snapshot.close()
  }
}

async function exportTable(
  snapshot: Snapshot,
  size: TableSize,
  options: ExportOptions,
  onRows: (rows: number) => void,
): Promise<ExportedTable> {
  const { table } = size
  const { directory, signal } = options
  const name = `${table.source.schema}.${table.source.name}.copy`
  const file = await open(join(directory, name), 'wx', 0o600)
  try {
    const hash = createHash('sha256')
    const chunks: ExportedChunk[] = []
    const chunkRows = new ChunkRows(options.chunkRows, size)
    for (let after: Key | null = null; ;) {
      signal.throwIfAborted()
      const { rows, data, last } = await snapshot.chunk(table, after, chunkRows.next)
      if (last === null) break
      chunkRows.sawChunk(rows, data.length)
      const { digest } = await snapshot.digestRange(table, after, last)
      hash.update(data)
      await file.writeFile(data)
      chunks.push({ bytes: data.length, rows, last, digest })
      onRows(rows)
      after = last
    }
    await file.sync()
    const rows = chunks.reduce((sum, chunk) => sum + chunk.rows, 0)
    return { table, file: name, rows, sha256: hash.digest('hex'), chunks }
  } finally {
    await file.close()
  }
}
