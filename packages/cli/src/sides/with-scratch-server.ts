import { withScratch, type Scratch } from '@imhotep/engine'
import { withTemporaryServer } from '@imhotep/postgres'
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
  return withTemporaryServer({ onProgress: progress }, (server) => withScratch(server.url(), work))
}
