import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { connect as connectTo, createServer, type AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'node:test'
import { createConnection, type RowDataPacket } from 'mysql2/promise'
import { mariadbDatabase, needsMariadb } from '../support/mariadb.ts'
import { emptyDatabase } from '../support/database.ts'
import { generateNilecare } from './nilecare/generate.ts'
import { installNilecare } from './nilecare/install.ts'
import type { Location } from './nilecare/writer/location.ts'
import { WriterProcess } from './nilecare/writer/writer-process.ts'
import { Writer, type WriterReport } from './nilecare/writer/writer.ts'

const skip = needsMariadb

test(
  'generateNilecare: fills every table, keeps every foreign key, and gives the same rows again',
  { skip },
  async () => {
    await using database = await mariadbDatabase()
    await using again = await mariadbDatabase()
    for (const { url } of [database, again]) await installNilecare(url)

    const rows = await generateNilecare(database.url, { rows: 5_000 })
    await generateNilecare(again.url, { rows: 5_000 })

    assert.equal(rows.size, 87)
    assert.ok(Math.abs([...rows.values()].reduce((a, b) => a + b) - 5_000) < 100)
    assert.deepEqual(await orphans(database.url), [])
    assert.deepEqual(await digests(database.url), await digests(again.url))
  },
)

test(
  'Writer: finds its rows again in both kinds of database after a service has moved under it',
  { skip },
  async () => {
    await using source = await mariadbDatabase()
    await installNilecare(source.url)
    await generateNilecare(source.url, { rows: 5_000 })
    await using target = await emptyDatabase()
    await run(target.url, await readFile(new URL('./nilecare/writer/lab.postgres.sql', import.meta.url), 'utf8'))
    const shared: Location = { kind: 'mariadb', url: source.url }
    let lab = shared
    using writer = await WriterProcess.start({
      route: (service) => (service === 'lab' ? lab : shared),
      workers: 3,
      rate: 2_000,
    })
    await writer.focus('lab')

    await reported(writer, ({ commits, acrossServices }) => commits > 50 && acrossServices > 0)
    await source.run(...fence('lab_orders'), ...fence('lab_order_items'))
    await copyLab(source.url, target.url)
    await sleep(100)
    await reported(writer, ({ refused }) => refused > 0)
    const { commits } = await writer.report()
    lab = { kind: 'postgres', url: target.url }
    await reported(writer, (now) => now.commits > commits + 50)
    const report = await writer.stop()
    const check = await writer.checkJournal()

    assert.deepEqual(check.problems, [])
    assert.equal(check.rows, report.rows)
    assert.ok((report.longestGaps['lab'] as number) >= 100)
  },
)

async function reported(writer: WriterProcess, isThere: (report: WriterReport) => boolean): Promise<void> {
  for (const until = Date.now() + 60_000; Date.now() < until; await sleep(20))
    if (isThere(await writer.report())) return
  assert.fail(`not within a minute: ${JSON.stringify(await writer.report())}`)
}

test('Writer: notices a row that is lost, doubled, old or not its own', { skip }, async () => {
  await using source = await mariadbDatabase()
  await installNilecare(source.url)
  await generateNilecare(source.url, { rows: 5_000 })
  const writer = new Writer({
    route: () => ({ kind: 'mariadb', url: source.url }),
    services: ['device', 'interop'],
    workers: 2,
  })
  await sleep(700)
  await writer.stop()

  await source.run(
    'alter table hl7_messages drop index hl7_messages_ref',
    `set @own := (select max(id) from hl7_messages where control_ref like 'w%')`,
    `insert into hl7_messages (control_ref, endpoint_id) select control_ref, 1 from hl7_messages where id = @own`,
    `update device_readings set note = 'changed by nobody' where reading_ref like 'w%' order by id desc limit 1`,
    `delete from device_readings where reading_ref like 'w%' order by id limit 1`,
    `insert into device_readings (reading_ref, device_id) select concat(reading_ref, 'x'), 1 from device_readings where reading_ref like 'w%' limit 1`,
  )

  const { problems } = await writer.checkJournal()
  const kinds = problems.map((problem) => problem.replace(/^.*: /, '')).toSorted()
  assert.deepEqual(kinds, ['an old or other version', 'doubled', 'lost', 'nobody wrote it'])
})

test('Writer: outlives a server that is killed', { skip }, async () => {
  const { startMariadb } = await import('../support/mariadb.ts')
  const server = await startMariadb({ innodb_flush_log_at_trx_commit: '1', sync_binlog: '1' })
  try {
    await run(server.url(), 'create database shared')
    await installNilecare(server.url('shared'))
    await generateNilecare(server.url('shared'), { rows: 5_000 })
    const writer = new Writer({
      route: () => ({ kind: 'mariadb', url: server.url('shared') }),
      workers: 4,
      rate: 2_000,
    })

    for (let time = 0; time < 2; time++) {
      await sleep(400)
      await server.kill()
      await server.start()
    }
    await sleep(300)
    const report = await writer.stop()

    assert.deepEqual((await writer.checkJournal()).problems, [])
    assert.ok(report.connectionsLost > 0)
  } finally {
    await server.remove()
  }
})

test('Writer: resolves commits whose answer is lost, whether the server got them or not', { skip }, async () => {
  await using source = await mariadbDatabase()
  await installNilecare(source.url)
  await generateNilecare(source.url, { rows: 5_000 })
  const proxy = await commitCutter(Number(new URL(source.url).port))
  const url = source.url.replace(/:\d+\//, `:${proxy.port}/`)
  const writer = new Writer({ route: () => ({ kind: 'mariadb', url }), workers: 3, rate: 2_000 })

  await sleep(1_500)
  const report = await writer.stop()
  const check = await writer.checkJournal()
  await proxy.close()

  assert.deepEqual(check.problems, [])
  assert.ok(report.unknownCommits > 0 && report.connectionsLost > report.unknownCommits, JSON.stringify(report))
})

/** A way to the server on which every tenth commit breaks the connection: by turns before and behind the server got it. */
async function commitCutter(port: number): Promise<{ port: number; close(): Promise<void> }> {
  let commits = 0
  const server = createServer((client) => {
    const upstream = connectTo(port, '127.0.0.1')
    let isCut = false
    client.on('data', (data) => {
      const cuts = data.includes('commit') && ++commits % 10 === 0
      if (cuts) isCut = true
      if (!cuts || commits % 20 === 0) upstream.write(data)
      // the server goes on with what it got
      if (cuts) client.destroy()
    })
    upstream.on('data', (data) => !isCut && client.write(data))
    client.on('error', () => {}).on('close', () => setTimeout(() => upstream.destroy(), 50))
    upstream.on('error', () => {}).on('close', () => client.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port: own } = server.address() as AddressInfo
  return { port: own, close: () => new Promise((resolve) => void server.close(() => resolve())) }
}

/** What the split does to a table that must not change: BEFORE triggers that refuse. */
function fence(table: string): string[] {
  return ['insert', 'update', 'delete'].map(
    (event) =>
      `create trigger fence_${table}_${event} before ${event} on ${table} for each row signal sqlstate '45000' set message_text = 'IMH01 moved'`,
  )
}

async function copyLab(from: string, to: string): Promise<void> {
  const connection = await createConnection({ uri: from, charset: 'utf8mb4' })
  for (const [table, columns] of Object.entries({
    lab_orders: 'id, order_ref, patient_id, ordered_by, changes, note',
    lab_order_items: 'id, order_id, item_ref, test_id, repeats, note',
  })) {
    const [rows] = await connection.query<RowDataPacket[]>({
      sql: `select ${columns} from ${table}`,
      rowsAsArray: true,
    })
    const json = JSON.stringify(rows).replaceAll("'", "''")
    const list = columns.split(', ').map((_, at) => `r->>${at}`)
    const types = columns.split(', ').map((name, at) => `(${list[at]})::${/ref|note/.test(name) ? 'text' : 'bigint'}`)
    await run(
      to,
      `insert into ${table} (${columns}) select ${types.join(', ')} from json_array_elements('${json}'::json) r`,
    )
    await run(to, `select setval(pg_get_serial_sequence('${table}', 'id'), 1000000)`)
  }
  await connection.end()
}

async function run(url: string, sql: string): Promise<void> {
  if (url.startsWith('mysql:')) {
    const connection = await createConnection({ uri: url })
    await connection.query(sql)
    return connection.end()
  }
  const { connect } = await import('@imhotep/postgres')
  const connection = await connect(url).dedicated()
  await connection.script(sql)
  await connection.release()
}

async function orphans(url: string): Promise<string[]> {
  const connection = await createConnection({ uri: url })
  const [keys] = await connection.query<RowDataPacket[]>(
    `select table_name t, constraint_name k, referenced_table_name r, group_concat(column_name order by ordinal_position) cs,
            group_concat(referenced_column_name order by ordinal_position) rcs
       from information_schema.key_column_usage
      where table_schema = database() and referenced_table_name is not null group by 1, 2, 3`,
  )
  const found: string[] = []
  for (const { t, k, r, cs, rcs } of keys) {
    const [columns, parents] = [String(cs).split(','), String(rcs).split(',')]
    const isSame = columns.map((column, at) => `p.${parents[at]} = c.${column}`).join(' and ')
    const isSet = columns.map((column) => `c.${column} is not null`).join(' and ')
    const [rows] = await connection.query<RowDataPacket[]>(
      `select 1 from ${t} c where ${isSet} and not exists (select 1 from ${r} p where ${isSame}) limit 1`,
    )
    if (rows.length > 0) found.push(String(k))
  }
  await connection.end()
  assert.equal(keys.length, 142)
  return found
}

async function digests(url: string): Promise<unknown[]> {
  const connection = await createConnection({ uri: url })
  const [tables] = await connection.query<RowDataPacket[]>(
    `select table_name t, group_concat(column_name order by ordinal_position) cs
       from information_schema.columns join information_schema.tables using (table_schema, table_name)
      where table_schema = database() and table_type = 'BASE TABLE' group by 1`,
  )
  const found: unknown[] = []
  for (const { t, cs } of tables) {
    const [rows] = await connection.query<RowDataPacket[]>(
      `select count(*) as n, bit_xor(crc32(concat_ws('|', ${cs}))) as d from ${t}`,
    )
    found.push([t, rows[0]?.['n'], rows[0]?.['d']])
  }
  await connection.end()
  return found
}
