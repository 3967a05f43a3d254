import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Split, type SplitSettings } from '@imhotep/split'

export interface OpenSplit extends AsyncDisposable {
  readonly split: Split
  readonly mapFile: string
  /** Of the database of service `lab`. */
  readonly labDatabase: string
  /** Another process would open the same split so. */
  again(more?: Partial<SplitSettings>): Promise<Split>
}

/** A split with an owner map; `LAB` in it stands for a name that no other test has. */
export async function openSplit(sourceUrl: string, targetUrl: string, ownerMap: string): Promise<OpenSplit> {
  const labDatabase = `lab_${randomBytes(4).toString('hex')}`
  const directory = mkdtempSync(join(tmpdir(), 'imhotep-split-'))
  const mapFile = join(directory, 'owners.yaml')
  writeFileSync(mapFile, ownerMap.replaceAll('LAB', labDatabase))
  const opened: Split[] = []
  const again = async (more: Partial<SplitSettings> = {}) => {
    const split = await Split.open({
      sourceUrl,
      targetUrl,
      schemaDirectory: join(directory, 'schemas'),
      envDirectory: join(directory, 'env'),
      options: { chunkRows: 100 },
      signal: new AbortController().signal,
      say: () => {},
      ...more,
    })
    opened.push(split)
    return split
  }
  return {
    split: await again(),
    mapFile,
    labDatabase,
    again,
    async [Symbol.asyncDispose]() {
      for (const split of opened) await split.close()
      rmSync(directory, { recursive: true })
    },
  }
}
