import { mkdtemp, chmod, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { applyMigrations, readCatalog, type Catalog } from '@imhotep/engine'
import { connect, startEmbedded } from '@imhotep/postgres'

/** The schema as a server has it after db/migration: what the written pages tell of. */
export async function installedCatalog(root: string): Promise<Catalog> {
  const directory = await mkdtemp(join(tmpdir(), 'imhotep-docs-'))
  await chmod(directory, 0o755) // the server's user must be able to enter
  const server = await startEmbedded({ directory: join(directory, 'postgres'), settings: { fsync: 'off' } })
  try {
    await applyMigrations(server.url(), { directory: join(root, 'db/migration') })
    const db = connect(server.url())
    try {
      return await readCatalog(db)
    } finally {
      await db.close()
    }
  } finally {
    await server.stop('immediate')
    await rm(directory, { recursive: true, force: true })
  }
}
