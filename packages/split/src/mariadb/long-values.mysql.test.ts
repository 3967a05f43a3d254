import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { mariadbDatabaseOn, needsMariadb, startMariadb, type MariadbServer } from '../../../../tests/support/mariadb.ts'
import { differentColumns } from '../different-columns.fixture.ts'
import type { Change, MovedTable, Row } from '../model.ts'
import { RowTooLongError } from './errors.ts'
import { mapDatabase } from './map-database.fixture.ts'
import { openMariadbSide } from './open-mariadb-side.ts'
import { closing, postgresTwin } from './postgres-twin.fixture.ts'

const options = { skip: needsMariadb }

const documents = `
  create table documents (
    id int primary key, content longblob, preview mediumblob, note longtext, latin mediumtext character set latin1,
    meta json, name varchar(40) not null)`

let server: MariadbServer
before(async () => {
  if (!needsMariadb) server = await startMariadb({ max_allowed_packet: '1M' })
})
after(() => server?.remove())

void test(
  'long values: rows beyond what the server can print or escape in time arrive as they are',
  options,
  async () => {
    await using source = await mariadbDatabaseOn(
      server,
      documents,
      `insert into documents (id, name, content) values (1, 'bytes', repeat(x'00ff5c0a0d09', 120000))`,
      `insert into documents (id, name, note) values (2, 'to escape', repeat(concat(char(9, 10, 13, 92), 'aä'), 60000))`,
      `insert into documents (id, name) values (3, 'short\\\\\\t')`,
      `insert into documents (id, name, latin) values (4, 'latin', repeat(convert(x'e9' using latin1), 700000))`,
      `insert into documents (id, name, meta) values (5, 'json', json_object('text', repeat('x\\\\ny', 60000)))`,
      `insert into documents (id, name, content, preview) values (6, 'two', repeat('a', 700000), repeat(x'00', 700000))`,
      `insert into documents (id, name, content, note) values (7, 'empty', '', '')`,
    )
    const table = (await mapDatabase(source.url)).tables[0] as MovedTable
    await using twin = await postgresTwin([table])
    await using side = closing(await openMariadbSide(source.url))
    await using snapshot = closing(await side.snapshot([table], { exact: false }))

    for (let next = await snapshot.chunk(table, null, 2); ; next = await snapshot.chunk(table, next.last, 2)) {
      await twin.side.load(table, next)
      if (next.last === null) break
    }

    await using copied = closing(await twin.side.snapshot([table], { exact: false }))
    assert.deepEqual(await copied.rowDigests(table, null, null), await snapshot.rowDigests(table, null, null))
    assert.deepEqual(await copied.digestRange(table, null, null), await snapshot.digestRange(table, null, null))
    const lengths = await twin.database.query(
      `select octet_length(content) as content, octet_length(preview) as preview, char_length(note) as note,
            char_length(latin) as latin, char_length(meta->>'text') as meta, name from documents order by id`,
    )
    assert.deepEqual(lengths, [
      { content: 720_000, preview: null, note: null, latin: null, meta: null, name: 'bytes' },
      { content: null, preview: null, note: 360_000, latin: null, meta: null, name: 'to escape' },
      { content: null, preview: null, note: null, latin: null, meta: null, name: 'short\\\t' },
      { content: null, preview: null, note: null, latin: 700_000, meta: null, name: 'latin' },
      { content: null, preview: null, note: null, latin: null, meta: 240_000, name: 'json' },
      { content: 700_000, preview: 700_000, note: null, latin: null, meta: null, name: 'two' },
      { content: 0, preview: null, note: 0, latin: null, meta: null, name: 'empty' },
    ])
  },
)

void test('long values: what differs behind the first thousand bytes is found', options, async () => {
  await using source = await mariadbDatabaseOn(
    server,
    documents,
    `insert into documents (id, name, note, meta)
     select seq, 'n', repeat('x', 2000), json_object('text', repeat('y', 2000)) from seq_1_to_3`,
  )
  const table = (await mapDatabase(source.url)).tables[0] as MovedTable
  await using twin = await postgresTwin([table])
  await using side = closing(await openMariadbSide(source.url))
  await using snapshot = closing(await side.snapshot([table], { exact: false }))
  await twin.side.load(table, await snapshot.chunk(table, null, 10))

  await twin.database.query(`update documents set note = overlay(note placing 'z' from 1900) where id = 2`)
  await twin.database.query(
    `update documents set meta = jsonb_set(meta, '{text}', to_jsonb(repeat('y', 1999) || 'z')) where id = 3`,
  )

  await using copied = closing(await twin.side.snapshot([table], { exact: false }))
  assert.deepEqual(
    differentColumns(table, await snapshot.rowDigests(table, null, null), await copied.rowDigests(table, null, null)),
    ['2 note', '3 meta'],
  )
  assert.notDeepEqual(await copied.digestRange(table, null, null), await snapshot.digestRange(table, null, null))
})

void test(
  'long values: are applied in statements that fit in a packet, and one that cannot is told',
  options,
  async () => {
    await using source = await mariadbDatabaseOn(server, documents)
    const table = (await mapDatabase(source.url)).tables[0] as MovedTable
    await using side = closing(await openMariadbSide(source.url))
    const row = (id: number, content: Buffer, note: string): Row =>
      table.columns.map(({ name }) => {
        if (name === 'id') return String(id)
        if (name === 'content') return `\\x${content.toString('hex')}`
        if (name === 'note') return note
        return name === 'name' ? 'n' : null
      })
    const insert = (id: number, content: Buffer, note = ''): Change => ({
      table,
      kind: 'insert',
      row: row(id, content, note),
    })
    const apply = (position: string, ...changes: Change[]) =>
      side.apply('log', [{ position, committedAt: new Date(0), changes }])

    await apply(
      '0/1',
      insert(1, Buffer.alloc(750_000, 'bytes')),
      ...Array.from({ length: 20 }, (_, at) => insert(2 + at, Buffer.from('b'), `it's "ä"\\`.repeat(20_000))),
    )
    await assert.rejects(apply('0/2', insert(100, Buffer.alloc(900_000))), RowTooLongError)
    await apply('0/2', insert(100, Buffer.alloc(700_000)))

    await using snapshot = closing(await side.snapshot([table], { exact: false }))
    const stored = await snapshot.chunk(table, null, 100)
    assert.equal(stored.rows, 22)
    await using twin = await postgresTwin([table])
    await twin.side.load(table, stored)
    assert.deepEqual(
      await twin.database.query(
        `select count(*)::int as rows, sum(octet_length(content))::int as bytes, min(note) = repeat($1, 20000) as same
         from documents where id between 2 and 99`,
        [`it's "ä"\\`],
      ),
      [{ rows: 20, bytes: 20, same: true }],
    )
    assert.deepEqual(
      await twin.database.query(
        `select content = convert_to(repeat('bytes', 150000), 'UTF8') as same from documents where id = 1`,
      ),
      [{ same: true }],
    )
  },
)
