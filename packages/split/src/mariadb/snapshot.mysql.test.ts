import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mariadbDatabase, needsMariadb } from '../../../../tests/support/mariadb.ts'
import { mapTables } from '../types/map-tables.ts'
import { readTables } from './catalog.ts'
import { closing, postgresTwin } from './postgres-twin.fixture.ts'
import { probeTable } from './probe-table.ts'
import { openSession } from './session.ts'
import { openSnapshot } from './snapshot.ts'
import { tortureRows, tortureTable } from './torture.fixture.ts'

async function mapAll(url: string, database: string) {
  const session = await openSession(url)
  try {
    const tables = await readTables(session, database)
    const facts = new Map()
    for (const table of tables) facts.set(table, await probeTable(session, table))
    return mapTables(tables, { facts: (table) => facts.get(table) })
  } finally {
    await session.close()
  }
}

void test(
  'snapshot: values at the edge of every type arrive as they are, proven by equal digests',
  { skip: needsMariadb },
  async () => {
    await using source = await mariadbDatabase(tortureTable, ...tortureRows())
    const {
      tables: [table],
    } = await mapAll(source.url, source.name)
    assert.ok(table)
    await using twin = await postgresTwin(table)
    await using snapshot = closing(await openSnapshot(source.url, [table]))

    const chunk = await snapshot.chunk(table, null, 1000)
    await twin.load(chunk.text)
    const here = await snapshot.rowDigests(table, null, null)
    const there = await twin.digests()
    const range = await snapshot.digestRange(table, null, null)
    const rangeThere = await twin.rangeDigest()

    assert.equal(chunk.rows, tortureRows().length)
    const different = here.flatMap(({ key, columns }, row) =>
      columns.flatMap((digest, at) => (digest === there[row]?.[at] ? [] : [`${key} ${table.columns[at]?.name}`])),
    )
    assert.deepEqual(different, [])
    assert.equal(range.digest, rangeThere)
  },
)
