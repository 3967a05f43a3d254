import assert from 'node:assert/strict'
import { test } from 'node:test'
import { differentColumns } from '../different-columns.fixture.ts'
import type { MovedTable } from '../model.ts'
import type { Side } from '../side.ts'
import { copyAll, twoDatabases } from './two-databases.fixture.ts'

test('long values: what differs behind the first thousand bytes is found', async () => {
  await using two = await twoDatabases(
    'create table papers (id int primary key, content bytea, note text, meta jsonb, code varchar)',
    {
      rows: `insert into papers
               select n, decode(repeat('00ff', 2000), 'hex'), repeat('ä' || n, 1000),
                      jsonb_build_object('text', repeat('y', 2000)), repeat('c', 2000) from generate_series(1, 5) n`,
    },
  )
  const table = two.tables[0] as MovedTable
  await copyAll(two)
  const digests = async (side: Side) => {
    const snapshot = await side.snapshot(two.tables, { exact: false })
    const rows = await snapshot.rowDigests(table, null, null)
    const { digest } = await snapshot.digestRange(table, null, null)
    await snapshot.close()
    return { rows, digest }
  }
  const found = async () => {
    const [source, target] = [await digests(two.source), await digests(two.target)]
    return { different: differentColumns(table, source.rows, target.rows), equal: source.digest === target.digest }
  }
  assert.deepEqual(await found(), { different: [], equal: true })

  await two.serviceDb.query(`update papers set content = set_byte(content, 3999, 0) where id = 1`)
  await two.serviceDb.query(`update papers set note = note || ' ' where id = 2`)
  await two.serviceDb.query(
    `update papers set meta = jsonb_set(meta, '{text}', to_jsonb(repeat('y', 1999) || 'z')) where id = 3`,
  )
  await two.serviceDb.query(`update papers set code = repeat('c', 1999) || 'd' where id = 4`)

  assert.deepEqual(await found(), { different: ['1 content', '2 note', '3 meta', '4 code'], equal: false })
})
