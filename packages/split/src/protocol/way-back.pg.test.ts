import assert from 'node:assert/strict'
import { test } from 'node:test'
import { logicalDatabase, runOn } from '../../../../tests/support/logical-server.ts'
import { Ledger } from '../ledger/ledger.ts'
import { digestOf, twoDatabases } from '../postgres/two-databases.fixture.ts'
import { defaultOptions, type Move } from './move.ts'
import { run } from './run.ts'
import { revert } from './way-back.ts'

const days = `
  create table days (day date, id int, note text, primary key (day, id)) partition by range (day);
  create table days_1 partition of days for values from ('2026-01-01') to ('2026-02-01');
  create table days_2 partition of days for values from ('2026-02-01') to ('2026-03-01');
  create table beds (id int primary key)`
const rows = `insert into days select d, 1, 'x' from generate_series(date '2026-01-01', '2026-02-27', '1 day') d`
const attached = `
  create table days_3 (like days including all); insert into days_3 values ('2026-03-05', 1, 'untold');
  alter table days attach partition days_3 for values from ('2026-03-01') to ('2026-04-01')`

/** A service that serves since a moment ago. */
async function switched() {
  const two = await twoDatabases(days, { rows })
  const book = await logicalDatabase('ledger')
  const ledger = await Ledger.open(book.url, 'shared')
  const nothing = async () => {}
  const move: Move = {
    service: 'ward',
    source: two.source,
    target: two.target,
    tables: two.tables,
    reference: [],
    common: [],
    returnCommon: nothing,
    crossingKeys: [],
    innerKeys: [],
    roomObstacles: async () => [],
    looseKeys: { watchShared: nothing, watchOwn: nothing, settle: nothing },
    ownerOf: () => 'ward',
    ledger,
    routes: { set: nothing },
    schema: { createTables: nothing, createKeys: nothing, prepare: nothing, grant: nothing, drop: nothing },
    options: defaultOptions,
    signal: new AbortController().signal,
    say: () => {},
  }
  await ledger.enter('ward')
  const { reverse } = await run(move, 'reversible')
  return {
    ...two,
    revert: async () => revert(move, await ledger.read('ward'), reverse as NonNullable<typeof reverse>),
    state: async () => (await ledger.read('ward')).state,
    async [Symbol.asyncDispose]() {
      await reverse?.stop()
      await ledger.close()
      await two[Symbol.asyncDispose]()
      await book[Symbol.asyncDispose]()
    },
  }
}

test('revert: partitions that were made meanwhile, and rows in them, come along', async () => {
  await using one = await switched()
  await runOn(
    one.service.url,
    `create table days_3 partition of days for values from ('2026-03-01') to ('2026-04-01');
     insert into days values ('2026-02-28', 2, 'y')`,
  )
  await runOn(one.shared.url, `create table days_4 partition of days default`)
  await runOn(one.service.url, `insert into days values ('2026-03-05', 1, 'z')`)

  const { state } = await one.revert()

  assert.equal(state, 'reverted')
  assert.deepEqual(await digestOf(one.source, one.tables), await digestOf(one.target, one.tables))
})

for (const [what, sql, remedy] of [
  [
    'detached',
    'alter table days detach partition days_2',
    `alter table days attach partition days_2 for values from ('2026-02-01') to ('2026-03-01')`,
  ],
  ['dropped', 'drop table days_2', `select 1`],
  ['attached', attached, 'update days_3 set note = note'],
] as const) {
  test(`revert: stops where a partition was ${what} with rows that no log tells of, and the service serves on`, async () => {
    await using one = await switched()
    await runOn(one.shared.url, `create table days_4 partition of days default`)
    await runOn(one.service.url, sql)

    await assert.rejects(one.revert(), { code: 'IMH_SPLIT_PARTITIONS', message: /public\.days.*first \(/ })

    assert.equal(await one.state(), 'reversible')
    await runOn(one.service.url, `insert into days values ('2026-01-01', 77, 'y')`)
    if (what === 'dropped') return
    await runOn(one.service.url, remedy)
    await one.revert()
    assert.deepEqual(await digestOf(one.source, one.tables), await digestOf(one.target, one.tables))
  })
}
