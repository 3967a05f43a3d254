import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, open, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Key, MovedTable } from '../model.ts'
import type { SplitPlan } from '../plan/split-plan.ts'
import { ChunkRows, readSizes, type TableSize } from '../protocol/chunk-rows.ts'
import { createProgress } from '../protocol/progress.ts'
import type { Side, Snapshot } from '../side.ts'
import { ExportExistsError } from './errors.ts'
import {
  format,
  manifestFile,
  type ExportedChunk,
  type ExportedRange,
  type ExportedTable,
  type Manifest,
} from './manifest.ts'

export interface ExportOptions {
  readonly service: string
  readonly directory: string
  readonly chunkRows: number
  readonly signal: AbortSignal
  readonly say: (text: string) => void
}

export interface ServiceToExport {
  readonly plan: SplitPlan
  readonly tables: readonly MovedTable[]
  /** Tables of other services that it reads. */
  readonly copies: readonly MovedTable[]
}

const draftFile = `${manifestFile}.tmp`

/**
 * Writes the rows of all tables as of one moment: a file a table in COPY's text form, and last a manifest with counts and
 * digests. A directory without a manifest is no export.
 */
export async function exportService(
  source: Side,
  { plan, tables, copies }: ServiceToExport,
  options: ExportOptions,
): Promise<Manifest> {
  const { directory, service } = options
  if (existsSync(directory) && (await readdir(directory)).length > 0) throw new ExportExistsError(directory)
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const all = [...tables, ...copies]
  const sizes = await readSizes(source, all)
  const snapshot = await source.snapshot(all, { exact: true })
  try {
    const progress = createProgress(0, (text) => options.say(`exporting ${service}: ${text}`))
    const exported: ExportedTable[] = []
    for (const size of sizes) exported.push(await exportTable(snapshot, size, options, progress.add))
    const manifest: Manifest = {
      format,
      service,
      source: source.label,
      position: snapshot.position,
      exportedAt: new Date().toISOString(),
      plan,
      tables: exported.slice(0, tables.length),
      copies: exported.slice(tables.length),
    }
    const draft = join(directory, draftFile)
    await writeFile(draft, `${JSON.stringify(manifest, null, 2)}\n`, { mode: 0o600 })
    await rename(draft, join(directory, manifestFile))
    return manifest
  } catch (error) {
    // Half an export is of no use, and it may be what filled the disk.
    for (const name of [...all.map(fileOf), draftFile]) await rm(join(directory, name), { force: true })
    throw error
  } finally {
    await snapshot.close()
  }
}

function fileOf({ source }: MovedTable): string {
  return `${source.schema}.${source.name}.copy`
}

async function exportTable(
  snapshot: Snapshot,
  size: TableSize,
  options: ExportOptions,
  onRows: (rows: number) => void,
): Promise<ExportedTable> {
  const { table } = size
  const { directory, signal } = options
  const name = fileOf(table)
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
      hash.update(data)
      await file.writeFile(data)
      chunks.push({ bytes: data.length, rows, last })
      onRows(rows)
      after = last
    }
    await file.sync()
    const rows = chunks.reduce((sum, chunk) => sum + chunk.rows, 0)
    const ranges = await digestTable(snapshot, table, options)
    return { table, file: name, rows, sha256: hash.digest('hex'), chunks, ranges }
  } finally {
    await file.close()
  }
}

/** Apart from the chunks: those are in the order of an index, which may be any language's. */
async function digestTable(
  snapshot: Snapshot,
  table: MovedTable,
  { chunkRows, signal }: ExportOptions,
): Promise<ExportedRange[]> {
  const ranges: ExportedRange[] = []
  for (let after: Key | null = null; ;) {
    signal.throwIfAborted()
    const { rows, digest, last } = await snapshot.digestNext(table, after, chunkRows)
    if (last === null) return ranges
    ranges.push({ rows, digest, last })
    after = last
  }
}
