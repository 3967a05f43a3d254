import { mkdtemp, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isOwnerAlive, ownerText } from './lock.ts'
import { startEmbedded, type EmbeddedOptions, type EmbeddedServer } from './start.ts'
import { removeEmbedded } from './status.ts'

const prefix = 'imhotep-scratch-'
/** Says which process has made the directory. */
const makerName = 'made-by'

/**
 * Works with an embedded server that is gone afterwards. One whose process was killed is removed by the next call.
 * @throws what startEmbedded and `work` throw
 */
export async function withTemporaryServer<T>(
  options: Pick<EmbeddedOptions, 'onProgress'>,
  work: (server: EmbeddedServer) => Promise<T>,
): Promise<T> {
  await removeAbandoned()
  const directory = await mkdtemp(join(tmpdir(), prefix))
  try {
    await writeFile(join(directory, makerName), await ownerText())
    return await work(await startEmbedded({ ...options, directory, settings: { fsync: 'off' } }))
  } finally {
    await removeEmbedded(directory, 'immediate')
  }
}

async function removeAbandoned(): Promise<void> {
  const names = await readdir(tmpdir()).catch(() => [])
  for (const name of names.filter((entry) => entry.startsWith(prefix))) {
    const directory = join(tmpdir(), name)
    // What others have put there is none of ours, nor what has just been made.
    const isOurs = (await stat(directory).catch(() => undefined))?.uid === process.getuid?.()
    const maker = isOurs ? await readFile(join(directory, makerName), 'utf8').catch(() => '') : ''
    if (maker === '' || (await isOwnerAlive(maker))) continue
    await removeEmbedded(directory, 'immediate').catch(() => undefined) // another process was faster
  }
}
