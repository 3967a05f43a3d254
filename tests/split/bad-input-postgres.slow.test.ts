import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { ImhotepError } from '@imhotep/base'
import { connect } from '@imhotep/postgres'
import { cancel, NotReadyError, run, Split, type ObstacleCode } from '@imhotep/split'
import { runOn, startLogicalServer } from '../support/logical-server.ts'
import { openSplit } from './open-split.ts'

const started = await startLogicalServer()
after(() => started.remove())
const { server } = started

const sharedSql = `
  create table users (id int primary key, name text);
  create table orders (id int primary key, note text, ordered_by int references users);
  insert into users values (1, 'a');
  insert into orders select n, 'note', 1 from generate_series(1, 1000) n`

let made = 0

/** A split with service names of its own: all tests have one ledger. */
async function world(options: { readonly sql?: string; readonly map?: string } = {}) {
  const name = `bad_${++made}`
  await runOn(server.url(), `create database ${name}`)
  await runOn(server.url(name), options.sql ?? sharedSql)
  const lab = `lab${made}`
  const map =
    options.map ??
    `services: { LAB_: { database: LAB }, auth${made}: {} }\ntables: { orders: LAB_, users: auth${made} }`
  const opened = await openSplit(server.url(name), server.url(), map.replaceAll('LAB_', lab))
  return Object.assign(opened, { lab, shared: server.url(name) })
}

/** A stop that a person can act on. */
function stop(code: string, pattern: RegExp) {
  return (error: unknown) => {
    assert.ok(error instanceof ImhotepError, String(error))
    assert.equal(error.code, code)
    assert.match(error.message, pattern)
    assert.ok((error.hint ?? '').length > 10 || /\(.+\)/.test(error.message), 'a way out')
    return true
  }
}

function obstacle(code: ObstacleCode) {
  return (error: unknown) => {
    assert.ok(error instanceof NotReadyError, String(error))
    assert.ok(
      error.obstacles.some((one) => one.code === code && one.hint.length > 10),
      JSON.stringify(error.obstacles),
    )
    return true
  }
}

const crossingKeys = `select count(*)::int as n from pg_constraint where contype = 'f'`

async function ask(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const db = connect(url)
  try {
    return await db.query(sql)
  } finally {
    await db.close()
  }
}

test('plan: a table without an owner is refused, and nothing is planned', async () => {
  await using here = await world({ map: 'services: { LAB_: {} }\ntables: { orders: LAB_ }' })

  await assert.rejects(here.split.makePlan(here.mapFile), stop('IMH_SPLIT_OWNER_MAP', /users/))

  await assert.rejects(here.split.plan(), stop('IMH_SPLIT_NOT_PLANNED', /no plan/))
})

test('plan: a table with two owners is refused', async () => {
  await using here = await world({
    map: 'services: { LAB_: {}, other: {} }\ntables:\n  orders: LAB_\n  users: LAB_\n  orders: other\n',
  })

  await assert.rejects(here.split.makePlan(here.mapFile), stop('IMH_SPLIT_OWNER_MAP', /orders|unique/))
})

test('run: an unknown service, and one without a plan, are named', async () => {
  await using here = await world()
  await assert.rejects(here.split.moveOf(here.lab), stop('IMH_SPLIT_NOT_PLANNED', /no plan/))
  await here.split.makePlan(here.mapFile)

  await assert.rejects(here.split.moveOf('laboratory'), stop('IMH_USAGE', /no service 'laboratory'/))
})

test('open: a URL of no known database and a server that is not there are told', async () => {
  const settings = { targetUrl: server.url(), schemaDirectory: '', envDirectory: '', say: () => {} }
  const open = (sourceUrl: string) => Split.open({ ...settings, sourceUrl, signal: new AbortController().signal })

  await assert.rejects(open('oracle://host/db'), stop('IMH_USAGE', /neither mysql/))
  await assert.rejects(
    async () => {
      const split = await open('postgres://nobody@127.0.0.1:1/none')
      await split.source.side.position().finally(() => split.close())
    },
    stop('IMH_CONNECTION_FAILED', /127\.0\.0\.1:1/),
  )
})

test('plan: a table without a primary key is refused', async () => {
  await using here = await world({ sql: `${sharedSql}; alter table orders drop constraint orders_pkey` })

  await assert.rejects(here.split.makePlan(here.mapFile), stop('IMH_SPLIT_OWNER_MAP', /orders.*no primary key/))
})

test('run: a source without a logical log is refused', async () => {
  const plain = await startLogicalServer({ wal_level: 'replica' })
  try {
    await runOn(plain.server.url(), 'create database plain')
    await runOn(plain.server.url('plain'), sharedSql)
    await using here = await openSplit(
      plain.server.url('plain'),
      server.url(),
      'services: { plainlab: { database: LAB } }\ntables: { orders: plainlab, users: plainlab }',
    )
    await here.split.makePlan(here.mapFile)

    await assert.rejects(run(await here.split.moveOf('plainlab'), 'streaming'), obstacle('IMH_SPLIT_WAL_LEVEL'))
  } finally {
    await plain.remove()
  }
})

test('run: too little room and clocks that differ are refused, and nothing is touched', async () => {
  await using here = await world()
  await here.split.makePlan(here.mapFile)
  await runOn(
    server.url('imhotep_split'),
    `update ledger.plans set plan = jsonb_set(plan, '{services}',
       (select jsonb_agg(service || '{"bytes": 900000000000000}') from jsonb_array_elements(plan -> 'services') service))
     where plan::text like '%${here.lab}%'`,
  )
  const move = await here.split.moveOf(here.lab)
  Object.assign(move.target, { clock: async () => new Date(Date.now() + 60_000) })

  const stopped = run(move, 'reversible')

  await assert.rejects(stopped, obstacle('IMH_SPLIT_DISK'))
  await assert.rejects(stopped, obstacle('IMH_SPLIT_CLOCK'))
  assert.deepEqual(await ask(here.shared, crossingKeys), [{ n: 1 }])
  assert.equal((await here.split.ledger.read(here.lab)).state, 'mapped')
})

test('run: a table that is altered in mid-move ends the move, clients go on, and it can be cancelled', async () => {
  await using here = await world()
  await here.split.makePlan(here.mapFile)
  const move = await here.split.moveOf(here.lab)
  await run(move, 'streaming')
  await runOn(here.shared, `alter table orders add urgent boolean; insert into orders values (5000, 'new', 1, true)`)

  await assert.rejects(run(move, 'reversible'), (error: { code?: string; message: string }) => {
    assert.match(error.code ?? '', /^IMH_SPLIT_(SCHEMA_CHANGED|DDL)$/)
    assert.match(error.message, /orders/)
    return true
  })

  await runOn(here.shared, `insert into orders values (5001, 'newer', 1, false)`)
  await cancel(move, await here.split.ledger.read(here.lab))
  assert.deepEqual(await ask(here.shared, crossingKeys), [{ n: 1 }])
})

test('run: before the switch nobody but the move writes the copy', async () => {
  await using here = await world()
  await here.split.makePlan(here.mapFile)
  await run(await here.split.moveOf(here.lab), 'verified')

  for (const sql of [`insert into orders values (7000, 'x')`, 'update orders set note = null', 'truncate orders']) {
    await assert.rejects(runOn(server.url(here.labDatabase), sql), { sqlstate: 'IMH01' })
  }
})

test('run: a service that another process moves is left to it', async () => {
  await using here = await world()
  await here.split.makePlan(here.mapFile)
  const other = await here.again()
  await other.ledger.lock(here.lab)

  await assert.rejects(
    run(await here.split.moveOf(here.lab), 'reversible'),
    stop('IMH_SPLIT_UNDER_WAY', /another process moves/),
  )

  await other.close()
})

test('run: Ctrl-C in the middle of the copy stops it, and the next run goes on from there', async () => {
  await using here = await world()
  await here.split.makePlan(here.mapFile)
  const ctrlC = new AbortController()
  const interrupted = await (await here.again({ signal: ctrlC.signal })).moveOf(here.lab)
  const load = interrupted.target.load.bind(interrupted.target)
  let chunks = 0
  Object.assign(interrupted.target, {
    load: async (...args: Parameters<typeof load>) => {
      await load(...args)
      if (++chunks === 3) ctrlC.abort()
    },
  })

  await assert.rejects(run(interrupted, 'reversible'), { name: 'AbortError' })

  assert.equal((await here.split.ledger.read(here.lab)).state, 'copying')
  // the first chunk has 10 rows, the others 100, and those behind the third were under way
  const [{ n } = {}] = await ask(server.url(here.labDatabase), 'select count(*)::int as n from orders')
  assert.ok(typeof n === 'number' && n >= 210 && n <= 510, `${String(n)} rows`)
  const { entry, verification, reverse } = await run(await here.split.moveOf(here.lab), 'reversible')
  await reverse?.stop()
  assert.equal(entry.state, 'reversible')
  assert.deepEqual([verification?.equal, verification?.rows], [true, 1000])
})

test('switch: clients are let in again when the last changes do not arrive in time', async () => {
  await using here = await world()
  await here.split.makePlan(here.mapFile)
  const move = await (await here.again({ options: { maxGapSeconds: 1 } })).moveOf(here.lab)
  await run(move, 'verified')
  const service = connect(server.url(here.labDatabase))
  const holder = await service.dedicated()
  const fence = move.source.fence.bind(move.source)
  let isFenced = false
  Object.assign(move.source, {
    fence: async (...args: Parameters<typeof fence>) => {
      await holder.script('begin; lock table orders')
      await runOn(here.shared, `update orders set note = 'last' where id = 1`)
      const last = await fence(...args)
      isFenced = true
      return last
    },
  })

  const switching = run(move, 'reversible')
  switching.catch(() => undefined)
  await untilTrue(() => isFenced)
  await untilTrue(() =>
    runOn(here.shared, `update orders set note = 'let in' where id = 2`).then(
      () => true,
      (error: { sqlstate?: string }) => {
        assert.equal(error.sqlstate, 'IMH01')
        return false
      },
    ),
  )
  await holder.script('rollback')

  await assert.rejects(switching, stop('IMH_SPLIT_DRAIN', /within 1 s; clients are let in again/))
  Object.assign(move.source, { fence })
  const { entry, reverse } = await run(move, 'reversible')
  await reverse?.stop()
  const notes = await service.query('select note from orders where id < 3 order by id')
  assert.deepEqual([entry.state, notes], ['reversible', [{ note: 'last' }, { note: 'let in' }]])
  await holder.release()
  await service.close()
})

async function untilTrue(isTrue: () => boolean | Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + 60_000; !(await isTrue()); await sleep(20)) {
    assert.ok(Date.now() < deadline, 'it did not come true')
  }
}
