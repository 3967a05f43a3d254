import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect, type Database } from '@imhotep/postgres'
import { runOn, startLogicalServer } from '../../../../tests/support/logical-server.ts'
import { withSession, withShortLocks } from './session.ts'

test('withShortLocks: gets a table that is being vacuumed for minutes', async () => {
  const started = await startLogicalServer({ autovacuum: 'on', autovacuum_naptime: '1s' })
  const url = started.server.url()
  await runOn(
    url,
    `create table visits (id int, note text) with (
       autovacuum_vacuum_threshold = 0, autovacuum_vacuum_scale_factor = 0,
       autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1);
     insert into visits select n, repeat('x', 1000) from generate_series(1, 20000) n;
     delete from visits where id % 2 = 0`,
  )
  const db = connect(url)
  try {
    await untilVacuumed(db)

    await withSession(url, (session) =>
      withShortLocks(session, () => session.script('alter table public.visits rename to moved'), { seconds: 5 }),
    )

    assert.deepEqual(await db.query(`select relname from pg_class where relname in ('visits', 'moved')`), [
      { relname: 'moved' },
    ])
  } finally {
    await db.close()
    await started.remove()
  }
})

async function untilVacuumed(db: Database): Promise<void> {
  for (const deadline = Date.now() + 60_000; ; await sleep(50)) {
    const under = await db.query(
      `select from pg_stat_progress_vacuum where relid = 'visits'::regclass and heap_blks_scanned > 0`,
    )
    if (under.length > 0) return
    assert.ok(Date.now() < deadline, 'no autovacuum came')
  }
}
