import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { withScratch, type Scratch } from '@imhotep/engine'
import { startEmbedded } from '@imhotep/postgres'
import type { OptionSpec } from '../command.ts'
import type { Context } from '../context.ts'

export const serverOption: OptionSpec = {
  flags: '--server <url>',
  description: 'a server to make scratch databases on, as a superuser (default: an embedded one, for this run)',
}

/** Scratch databases on the server that the user names, or on one of our own that is gone afterwards. */
export async function withScratchServer<T>(
  { options, progress }: Context,
  work: (scratch: Scratch) => Promise<T>,
): Promise<T> {
  const given = options.text('server')
  if (given !== undefined) return withScratch(given, work)
  const directory = await mkdtemp(join(tmpdir(), 'imhotep-scratch-'))
  try {
    const server = await startEmbedded({ directory, settings: { fsync: 'off' }, onProgress: progress })
    try {
      return await withScratch(server.url(), work)
    } finally {
      await server.stop('immediate')
    }
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}
