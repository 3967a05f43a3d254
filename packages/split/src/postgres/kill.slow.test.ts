import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect } from '@imhotep/postgres'
import { runOn, startLogicalServer } from '../../../../tests/support/logical-server.ts'
import { Follower } from './follower.fixture.ts'
import { openPostgresSide, openServiceDatabase } from './open-postgres-side.ts'
import { movedTables } from './two-databases.fixture.ts'

test('apply: nothing is lost or done twice when the server is killed again and again', async () => {
  const started = await startLogicalServer()
  let { server } = started
  try {
    await runOn(server.url(), 'create database shared template template0')
    await runOn(server.url(), 'create database service template template0')
    await runOn(server.url('shared'), 'create table rows (id int primary key)')
    await runOn(
      server.url('service'),
      `create table rows (id int primary key); create table seen (id int);
       create function see() returns trigger language plpgsql as $$ begin insert into public.seen values (new.id); return null; end $$;
       create trigger see after insert or update on rows for each row execute function see();
       alter table rows enable always trigger see`,
    )
    const source = await openPostgresSide(server.url('shared'))
    const target = await openServiceDatabase(server.url('service'))
    const tables = await movedTables(source)
    const start = await source.openLog('fwd', tables)
    await using follower = new Follower({ log: 'fwd', from: source, to: target, tables, start })
    let written = 0
    for (let round = 0; round < 6; round++) {
      const commits = Array.from({ length: 500 }, () => `begin; insert into rows values (${written++}); commit;`)
      await runOn(server.url('shared'), `set synchronous_commit = on; ${commits.join(' ')}`)
      const position = await source.position()
      const following = follower.upTo(position)
      await sleep(Math.random() * 150)
      process.kill(server.pid, 'SIGKILL')
      server = await started.restart()
      await following
    }
    const db = connect(server.url('service'))
    const [counts] = await db.query(
      'select (select count(*) from rows) as rows, count(*) as seen, count(distinct id) as distinct from seen',
    )
    await Promise.all([db.close(), source.close(), target.close()])

    assert.deepEqual(counts, { rows: written, seen: written, distinct: written })
    assert.ok(follower.restarts > 0)
  } finally {
    await started.remove()
  }
})
