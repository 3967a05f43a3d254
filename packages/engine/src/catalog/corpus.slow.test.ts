import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { connect } from '@imhotep/postgres'
import { emptyDatabase } from '../../../../tests/support/database.ts'
import { compareCatalogs, type Difference } from './compare.ts'
import { foldFiles } from './files.ts'
import { readCatalog } from './live.ts'
import type { Catalog } from './model.ts'

interface File {
  readonly path: string
  readonly text: string
}

async function readFiles(directory: string): Promise<File[]> {
  const names = (await readdir(directory)).filter((name) => name.endsWith('.sql')).toSorted()
  return Promise.all(names.map(async (path) => ({ path, text: await readFile(join(directory, path), 'utf8') })))
}

/** Each file in a session of its own, as a tool for migrations runs them. */
async function apply(files: readonly File[], searchPath: readonly string[]): Promise<Catalog> {
  await using database = await emptyDatabase()
  const db = connect(database.url, { max: 1 })
  try {
    for (const { text } of files) {
      const connection = await db.dedicated()
      for (const schema of searchPath) await connection.script(`create schema if not exists ${schema}`)
      await connection.script(`set search_path = ${searchPath.join(', ')}`)
      await connection.script(text)
      await connection.script('discard all')
      await connection.release()
    }
    return await readCatalog(db)
  } finally {
    await db.close()
  }
}

/** Roles are the server's, and other tests make some. */
const isOfTheServer = ({ object }: Difference) => object.startsWith('role ')

test('foldFiles: what it tells of the migrations of this repository is what PostgreSQL makes of them', async () => {
  const files = await readFiles(fileURLToPath(new URL('../../../../db/migration', import.meta.url)))

  const folded = await foldFiles(files)

  const differences = compareCatalogs(folded, await apply(files, ['public']), { ignore: isOfTheServer })
  // partitions by month and grants that depend on what comments say: the catalog says that it does not know
  const open = /partitions|do block/
  assert.ok(folded.unknown.every(({ reason }) => open.test(reason)))
  const known = differences.filter(({ object, property }) => !/_y\d{4}m\d\d/.test(object) && property !== 'grants')
  assert.deepEqual(known, [])
})

const corpora = process.env['IMHOTEP_CORPUS']
const skip = corpora === undefined && 'IMHOTEP_CORPUS names no folder with <name>/*.sql'

test('foldFiles: each history of a corpus gives what PostgreSQL makes of it', { skip }, async (t) => {
  for (const name of await readdir(corpora ?? '')) {
    await t.test(name, async () => {
      const directory = join(corpora ?? '', name)
      const files = await readFiles(directory)
      // a file `search-path` names the schemas that the tool of that history sets
      const given = await readFile(join(directory, 'search-path'), 'utf8').catch(() => 'public')
      const searchPath = given.trim().split(/\s*,\s*/)

      const folded = await foldFiles(files, { searchPath })

      const live = await apply(files, searchPath)
      const isToolsSchema = ({ object }: Difference) => searchPath.some((schema) => object === `schema ${schema}`)
      const ignore = (difference: Difference) => isOfTheServer(difference) || isToolsSchema(difference)
      const differences = compareCatalogs(folded, live, { ignore })
      for (const { position, reason } of folded.unknown)
        t.diagnostic(`${name}: ${position.file}:${position.line}: ${reason}`)
      assert.deepEqual(differences, [])
    })
  }
})
