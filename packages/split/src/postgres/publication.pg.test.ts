import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect, type DatabaseError } from '@imhotep/postgres'
import { logicalDatabase, runOn } from '../../../../tests/support/logical-server.ts'
import { UnpublishableTableError } from './errors.ts'
import { readIdentities, whyUnpublishable } from './identity.ts'
import { publish, publishedTables, unpublish } from './publication.ts'
import { withSession } from './session.ts'

const shapes = {
  plain: 'create table t (id int primary key, v int)',
  'no key': 'create table t (id int, v int)',
  'deferrable key': 'create table t (id int primary key deferrable, v int)',
  'whole row': 'create table t (id int, v int); alter table t replica identity full',
  'whole row, one value of it generated':
    'create table t (id int, v int, w int generated always as (v + 1) stored); alter table t replica identity full',
  'generated key': 'create table t (v int, w int generated always as (v + 1) stored primary key)',
  'no identity': 'create table t (id int primary key, v int); alter table t replica identity nothing',
  'another index':
    'create table t (id int primary key, v int not null, constraint v unique (v)); alter table t replica identity using index v',
  'identity whose index is gone':
    'create table t (id int primary key, v int not null); create unique index v on t (v); alter table t replica identity using index v; drop index v',
  partitioned:
    'create table t (id int primary key, v int) partition by range (id); create table t_1 partition of t default',
  'partition without identity':
    'create table t (id int primary key, v int) partition by range (id); create table t_1 partition of t default; alter table t_1 replica identity nothing',
  'partitioned, whole row of the table alone':
    'create table t (id int, v int) partition by range (id); alter table t replica identity full; create table t_1 partition of t default',
}

test('publish: is refused for exactly those tables whose rows clients could not change any more', async () => {
  for (const [name, sql] of Object.entries(shapes)) {
    await using shared = await logicalDatabase('shape')
    await runOn(shared.url, sql)

    const [published, unpublishable] = await withSession(shared.url, async (session) => [
      await publish(session, 'changes', ['"public"."t"'], null).catch((error: unknown) => error),
      (await readIdentities(session, ['"public"."t"'])).some((identity) => whyUnpublishable(identity) !== null),
    ])

    await runOn(shared.url, 'drop publication if exists changes; create publication plain for table t')
    const refused = await runOn(shared.url, 'update t set v = v + 1').then(
      () => false,
      (error: DatabaseError) => error.sqlstate === '55000' || error.sqlstate === '42P10' || error,
    )
    assert.equal(unpublishable, name === 'generated key' || refused, name)
    assert.equal(published instanceof UnpublishableTableError, unpublishable, `${name}: ${String(published)}`)
  }
})

test('unpublish: the publication goes when those who wrote its tables are gone', async () => {
  await using shared = await logicalDatabase('waited')
  await runOn(shared.url, 'create table t (id int primary key)')
  const db = connect(shared.url)
  const seen: (string[] | null)[] = []

  await withSession(shared.url, async (session) => {
    await publish(session, 'changes', ['"public"."t"'], null)
    let ended: Promise<void> | undefined
    await db.transaction(async (tx) => {
      await tx.query('insert into t values (1)')
      ended = withSession(shared.url, (other) => unpublish(other, 'changes'))
      while (((await publishedTables(session, 'changes')) ?? []).length > 0);
      // time in which it would go if it did not wait
      await sleep(200)
      seen.push(await publishedTables(session, 'changes'))
    })
    await ended
    seen.push(await publishedTables(session, 'changes'))
  })

  await db.close()
  assert.deepEqual(seen, [[], null])
})
