import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Follower } from './follower.fixture.ts'
import { copyAll, digestOf, twoDatabases } from './two-databases.fixture.ts'
import { startWriters, writersRows, writersTables } from './writers.fixture.ts'

const log = 'fwd'

test('exact snapshot: equals the other side at its position while clients write', async () => {
  await using two = await twoDatabases(writersTables, { rows: writersRows })
  const start = await two.source.openLog(`${log}_${two.shared.name}`, two.tables)
  const writers = startWriters(two.shared.url)
  await copyAll(two, 50)
  await using follower = new Follower({
    log: `${log}_${two.shared.name}`,
    from: two.source,
    to: two.target,
    tables: two.tables,
    start,
  })

  for (let round = 0; round < 5; round++) {
    await sleep(50)
    const expected = await two.source.snapshot(two.tables, { exact: true })
    await follower.upTo(expected.position)
    const digests = await Promise.all(two.tables.map((table) => expected.digestRange(table, null, null)))
    await expected.close()
    const found = await digestOf(two.target, two.tables)
    assert.deepEqual(
      found,
      digests.map(({ rows, digest }, at) => `${two.tables[at]?.source.name} ${rows} ${digest}`),
    )
  }

  await writers.stop()
  assert.ok(writers.commits > 100, String(writers.commits))
  assert.deepEqual([...writers.refused], [])
})

test('apply: each transaction once, also when connections are killed in the midst of it', async () => {
  // what the target counts is not told by rows that replace each other
  await using two = await twoDatabases('create table rows (id int primary key)', {
    serviceSql: `create table rows (id int primary key);
      create table seen (id int);
      create function see() returns trigger language plpgsql as $$ begin insert into public.seen values (new.id); return null; end $$;
      create trigger see after insert or update on rows for each row execute function see();
      alter table rows enable always trigger see`,
  })
  const name = `${log}_${two.shared.name}`
  const start = await two.source.openLog(name, two.tables)
  await using follower = new Follower({ log: name, from: two.source, to: two.target, tables: two.tables, start })
  const over = new AbortController()
  const killing = (async () => {
    while (!over.signal.aborted) {
      await sleep(50 + Math.random() * 100)
      await two.serviceDb.query(
        `select pg_terminate_backend(pid) from pg_stat_activity
          where application_name = 'imhotep split' and datname = current_database() and random() < 0.5`,
      )
      await two.sharedDb.query(
        `select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name like $1 and random() < 0.3`,
        [`%${two.shared.name}`],
      )
    }
  })()

  let rows = 0
  while (follower.restarts < 3) {
    for (let n = 0; n < 40; n++) await two.sharedDb.query('insert into rows values ($1)', [rows++])
    await follower.upTo(await positionOf(two.source))
  }
  over.abort()
  await killing

  const [counts] = await two.serviceDb.query(
    'select (select count(*) from rows) as rows, count(*) as seen, count(distinct id) as distinct from seen',
  )
  assert.deepEqual(counts, { rows, seen: rows, distinct: rows })
})

/** A killed connection is no failure of what is tested. */
async function positionOf(side: { position(): Promise<string> }): Promise<string> {
  return side.position().catch(() => side.position())
}
