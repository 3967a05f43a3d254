import assert from 'node:assert/strict'
import { createReadStream } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { createConnection, type Connection, type RowDataPacket } from 'mysql2/promise'
import {
  checkOwnerMap,
  digestQuery,
  findDependencies,
  fromDigests,
  fromGeneralLog,
  readOwnerMap,
  type DigestRow,
  type Findings,
} from '@imhotep/split'
import { readCatalog } from '../../packages/split/src/mariadb/catalog.ts'
import { openSession } from '../../packages/split/src/mariadb/session.ts'
import { mariadbDatabase, needsMariadb } from '../support/mariadb.ts'
import { installNilecare, nilecareFolder } from './nilecare/install.ts'
import { plantedObjects, plantedUnknown } from './nilecare/planted.ts'

const skip = needsMariadb

test('findDependencies: finds what is planted in NileCare, and no more, as MariaDB rewrites it', { skip }, async () => {
  await using database = await mariadbDatabase()
  await installNilecare(database.url)

  const { dependencies, unknown } = await findDependencies(await sourcesOf(database))

  const found: Record<string, { from: string; to: string[] }> = {}
  for (const { kind, from, to } of dependencies.filter(({ kind }) => kind !== 'foreign key')) {
    const name = from.object.replace(/ on .*$/, '').replace(/^.*\./, '')
    const group = (found[kind === 'generated column' ? from.object : name] ??= { from: from.service, to: [] })
    group.to.push(to.table.name)
  }
  for (const group of Object.values(found)) group.to.sort()
  assert.deepEqual(found, plantedObjects)
  assert.equal(dependencies.filter(({ kind }) => kind === 'foreign key').length, 66)
  assert.deepEqual(
    unknown.map(({ object }) => object.replace(/^.*\./, '')),
    plantedUnknown,
  )
})

test('findDependencies: reads the digests and the general log of a running MariaDB', { skip }, async () => {
  await using database = await mariadbDatabase()
  await installNilecare(database.url, { code: false })
  const directory = await mkdtemp(join(tmpdir(), 'imhotep-log-'))
  const connection = await createConnection({ uri: database.url })
  try {
    const log = join(directory, 'general.log')
    await connection.query(`set global general_log_file = '${log}', global general_log = 1`)
    await runStatements(connection)
    await connection.query('set global general_log = 0')

    const [rows] = await connection.query<(RowDataPacket & DigestRow & { cutAt: number })[]>(digestQuery)
    const sources = await sourcesOf(database)
    const digests = await findDependencies({ ...sources, statements: [fromDigests(rows, rows[0]?.cutAt)] })
    const lines = createInterface({ input: createReadStream(log) })
    const logged = await findDependencies({ ...sources, statements: [fromGeneralLog(lines, 'general.log')] })

    assert.deepEqual(statementsOf(digests), ['lab -> users 3'])
    assert.deepEqual(
      digests.unknown.map(({ reason }) => reason.replace(/:.*/, '')),
      ['the digest is cut'],
    )
    assert.deepEqual(statementsOf(logged), ['lab -> invoices 1', 'lab -> users 3'])
    assert.deepEqual(logged.unknown, [])
  } finally {
    await connection.query('set global general_log = 0')
    await connection.end()
    await rm(directory, { recursive: true })
  }
})

async function runStatements(connection: Connection): Promise<void> {
  for (const id of [1, 2, 3]) {
    await connection.query(`select * from lab_orders o join users u on u.id = o.ordered_by where o.id = ${id}`)
  }
  await connection.query('select count(*) from lab_orders')
  // longer than a digest may be: the table of the other service comes behind the cut
  const columns = Array.from({ length: 200 }, () => 'o.order_ref').join(', ')
  await connection.query(`select ${columns} from lab_orders o join invoices i on i.encounter_id = o.encounter_id`)
}

function statementsOf({ dependencies }: Findings): string[] {
  return dependencies
    .filter(({ kind }) => kind === 'statement')
    .map(({ from, to, count }) => `${from.service} -> ${to.table.name} ${count}`)
    .toSorted((a, b) => a.localeCompare(b))
}

async function sourcesOf({ url, name }: { url: string; name: string }) {
  const session = await openSession(url)
  const catalog = await readCatalog(session, name)
  await session.close()
  const file = `${nilecareFolder}nilecare.yaml`
  const map = checkOwnerMap(readOwnerMap(await readFile(file, 'utf8'), file), catalog, { source: name })
  return { catalog, map, dialect: 'mariadb' as const }
}
