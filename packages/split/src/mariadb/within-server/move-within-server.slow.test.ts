import assert from 'node:assert/strict'
import { test } from 'node:test'
import { installNilecare } from '../../../../../tests/split/nilecare/install.ts'
import {
  mariadbDatabase,
  mariadbServer,
  needsMariadb,
  type MariadbDatabase,
} from '../../../../../tests/support/mariadb.ts'
import { readCatalog } from '../catalog.ts'
import { closing } from '../postgres-twin.fixture.ts'
import { openSession, type Session } from '../session.ts'
import { moveWithinServer, planWithinServer, undoMoveWithinServer } from './move-within-server.ts'
import type { Step } from './transfer-tables.ts'

const options = { skip: needsMariadb }

const schema = [
  'create table users (id int primary key, name varchar(20))',
  `create table orders (id int auto_increment primary key, user_id int, n int not null,
     constraint orders_user foreign key (user_id) references users (id) on delete set null on update cascade)`,
  `create table items (id int primary key, order_id int,
     constraint items_order foreign key (order_id) references orders (id) on delete cascade)`,
  'create table bills (id int primary key, order_id int, constraint bills_order foreign key (order_id) references orders (id))',
  'create trigger orders_ten before insert on orders for each row set new.n = new.n * 10',
  `create trigger orders_one before insert on orders for each row begin set new.n = new.n + 1 /* 'é' */; end`,
  `create trigger items_user after insert on items for each row update users set name = concat(name, 'x')`,
  'create view names as select u.name, o.n from users u join orders o on o.user_id = u.id',
  'create view short_names as select left(name, 3) as name from names',
  `insert into users values (1, 'a')`,
  'insert into orders values (1, 1, 5)',
  'insert into bills values (1, 1)',
]

const tables = ['orders', 'items']
const lab = (source: MariadbDatabase) => `${source.name}_lab`

/** All that describes a database, and the rows of all its tables. */
async function stateOf(session: Session, database: string): Promise<unknown> {
  const catalog = await readCatalog(session, database)
  const created = []
  for (const { name } of catalog.tables) {
    created.push(await session.rows(`show create table ${database}.${name}`))
    created.push(await session.rows(`select * from ${database}.${name} order by 1`))
  }
  const triggers = await session.rows(
    `select trigger_name, event_object_table, definer, action_timing, event_manipulation, action_statement, action_order,
            sql_mode, character_set_client, collation_connection, database_collation
       from information_schema.triggers where trigger_schema = '${database}' order by 1`,
  )
  // the server's estimates are not a matter of the catalog
  return { ...catalog, tables: catalog.tables.map((table) => ({ ...table, rows: 0, bytes: 0 })), created, triggers }
}

async function databases(session: Session): Promise<(string | null | undefined)[]> {
  return (await session.rows('show databases')).map(([name]) => name)
}

/** Ends every other session behind the n-th step, as a server does that loses its clients. */
function killBehind(step: number, killer: Session): { readonly step: Step; readonly count: () => number } {
  let done = 0
  return {
    count: () => done,
    step: async () => {
      if (++done !== step) return
      const others = 'select id from information_schema.processlist where id <> connection_id() and db is not null'
      for (let left = await killer.rows(others); left.length > 0; left = await killer.rows(others)) {
        for (const [id] of left) await killer.run(`kill ${id}`).catch(() => undefined)
      }
    },
  }
}

void test('planWithinServer: names what is dropped, made again and broken, and changes nothing', options, async () => {
  await using source = await mariadbDatabase(...schema)
  await using other = await mariadbDatabase(
    `create table links (id int primary key, order_id int, constraint links_order foreign key (order_id) references ${source.name}.orders (id))`,
    `create view far as select id from ${source.name}.items`,
  )
  await using root = closing(await openSession(source.url))
  const before = await stateOf(root, source.name)

  const plan = await planWithinServer(source.url, { tables, database: lab(source) })

  assert.deepEqual(
    { ...plan, foreignKeys: plan.foreignKeys.map(({ name }) => name), triggers: plan.triggers.map(({ name }) => name) },
    {
      from: source.name,
      database: lab(source),
      tables,
      foreignKeys: ['bills_order', 'orders_user', 'links_order'],
      triggers: ['items_user', 'orders_ten', 'orders_one'],
      views: [`${other.name}.far`, 'names', 'short_names'].toSorted(),
      code: ['trigger items_user'],
    },
  )
  assert.deepEqual(await stateOf(root, source.name), before)
  assert.ok(!(await databases(root)).includes(lab(source)))
  await other.run('drop table links')
})

void test('moveWithinServer: renames a service into a database of its own, and back', options, async () => {
  await using source = await mariadbDatabase(...schema)
  await using root = closing(await openSession(source.url))
  const database = lab(source)
  const move = { tables, database, user: { name: source.name, host: '%', password: `p'w` } }
  const before = await stateOf(root, source.name)

  const result = await moveWithinServer(source.url, move)
  const again = await moveWithinServer(source.url, move)

  assert.deepEqual(
    { ...result, foreignKeys: result.foreignKeys.map(({ name }) => name) },
    {
      moved: tables,
      foreignKeys: ['bills_order', 'orders_user'],
      views: ['names', 'short_names'],
      triggers: ['items_user', 'orders_ten', 'orders_one'],
    },
  )
  assert.deepEqual(again, { ...result, moved: [] })
  const url = new URL((await mariadbServer()).url(database))
  url.username = source.name
  url.password = encodeURIComponent(`p'w`)
  await using service = closing(await openSession(url.href))
  await service.run('insert into orders (n) values (7)')
  assert.deepEqual(await service.rows('select n from orders order by id'), [['51'], ['71']])
  await assert.rejects(service.rows(`select * from ${source.name}.users`), { code: 'ER_TABLEACCESS_DENIED_ERROR' })
  assert.deepEqual(
    (await root.rows(`show grants for '${source.name}'`)).map(([grant]) => /ON (\S+) TO/.exec(grant ?? '')?.[1]),
    ['*.*', `\`${database.replaceAll('_', String.raw`\_`)}\`.*`],
  )
  await service.run('delete from orders where n = 71')
  await root.run(`alter table ${database}.orders auto_increment = 2`)

  await undoMoveWithinServer(source.url, move)
  await undoMoveWithinServer(source.url, move)

  assert.deepEqual(await stateOf(root, source.name), before)
  assert.ok(!(await databases(root)).includes(database))
  assert.equal(await root.value(`select count(*) from mysql.user where user = '${source.name}'`), '0')
})

void test(
  'moveWithinServer: killed behind any step, it is finished or taken back by the next call',
  options,
  async () => {
    await using source = await mariadbDatabase(...schema)
    await using root = closing(await openSession((await mariadbServer()).url()))
    const move = { tables, database: lab(source), user: { name: source.name, host: '%', password: 'x' } }
    const before = await stateOf(root, source.name)
    await moveWithinServer(source.url, move)
    const moved = [await stateOf(root, source.name), await stateOf(root, move.database)]
    await undoMoveWithinServer(source.url, move)

    let kills = 0
    for (const finish of ['move', 'undo']) {
      for (let n = 1; ; n++) {
        const killer = killBehind(n, root)
        const killed = await moveWithinServer(source.url, move, killer).then(
          () => false,
          () => true,
        )
        assert.equal(killed, killer.count() >= n && killer.count() === n, `step ${n}`)
        if (finish === 'move') {
          await moveWithinServer(source.url, move)
          assert.deepEqual([await stateOf(root, source.name), await stateOf(root, move.database)], moved, `step ${n}`)
        }
        await undoMoveWithinServer(source.url, move)
        assert.deepEqual(await stateOf(root, source.name), before, `step ${n}`)
        assert.ok(!(await databases(root)).includes(move.database))
        if (!killed) break
        kills++
      }
    }
    assert.ok(kills >= 20, `${kills} kills`)
  },
)

void test('undoMoveWithinServer: killed behind any step, it is finished by the next call', options, async () => {
  await using source = await mariadbDatabase(...schema)
  await using root = closing(await openSession((await mariadbServer()).url()))
  const move = { tables, database: lab(source), user: { name: source.name, host: '%', password: 'x' } }
  const before = await stateOf(root, source.name)

  for (let n = 1; ; n++) {
    await moveWithinServer(source.url, move)
    const killer = killBehind(n, root)
    const killed = await undoMoveWithinServer(source.url, move, killer).then(
      () => false,
      () => true,
    )
    await undoMoveWithinServer(source.url, move)

    assert.deepEqual(await stateOf(root, source.name), before, `step ${n}`)
    assert.ok(!(await databases(root)).includes(move.database))
    if (!killed) {
      assert.ok(n > 9)
      break
    }
  }
})

void test(
  'moveWithinServer: writers lose nothing on the way there and back, and always meet the triggers',
  options,
  async () => {
    await using source = await mariadbDatabase(
      'create table orders (id int auto_increment primary key, n int not null)',
      'create table items (id int auto_increment primary key, order_id int not null, constraint items_order foreign key (order_id) references orders (id))',
      'create trigger orders_ten before insert on orders for each row set new.n = new.n * 10',
    )
    await using root = closing(await openSession(source.url))
    const database = lab(source)
    const places = [source.name, database]
    const written = { count: 0, refused: 0 }
    const stop = new AbortController()
    const told = ['ER_NO_SUCH_TABLE', 'ER_BAD_DB_ERROR', 'ER_LOCK_DEADLOCK']
    const writers = Array.from({ length: 4 }, async () => {
      await using session = closing(await openSession(source.url))
      for (let place = 0; !stop.signal.aborted;) {
        try {
          await session.run('start transaction')
          await session.run(`insert into ${places[place]}.orders (n) values (1)`)
          await session.run(`insert into ${places[place]}.items (order_id) values (last_insert_id())`)
          await session.run('commit')
          written.count++
        } catch (error) {
          await session.run('rollback')
          const { code = '' } = error as { code?: string }
          assert.ok(told.includes(code), String(error))
          written.refused++
          if (code !== 'ER_LOCK_DEADLOCK') place = 1 - place
        }
      }
    })
    const writing = Promise.all(writers)
    const more = async () => {
      for (const enough = written.count + 100; written.count < enough;) {
        await Promise.race([writing, new Promise((resolve) => setTimeout(resolve, 5))])
      }
    }

    try {
      for (let round = 0; round < 3; round++) {
        await more()
        await moveWithinServer(source.url, { tables: ['orders', 'items'], database })
        await more()
        await undoMoveWithinServer(source.url, { database })
      }
      await more()
    } finally {
      stop.abort()
    }
    await writing

    assert.deepEqual(await root.rows('select count(*), min(n), max(n) from orders'), [
      [String(written.count), '10', '10'],
    ])
    assert.equal(await root.value('select count(*) from items join orders o on o.id = order_id'), String(written.count))
    assert.ok(written.refused > 0)
  },
)

void test('moveWithinServer: refuses what it could not take back, before it changes anything', options, async () => {
  await using source = await mariadbDatabase(...schema)
  await using taken = await mariadbDatabase('create table items (id int)')
  await using root = closing(await openSession(source.url))
  const before = await stateOf(root, source.name)
  await root.run(`create user '${source.name}'`)
  await root.run(`grant select on ${source.name}.users to '${source.name}'`)
  const user = { name: source.name, host: '%', password: 'x' }
  const database = lab(source)

  await assert.rejects(moveWithinServer(source.url, { tables: ['orders', 'none'], database }), {
    code: 'IMH_SPLIT_TABLE_MISSING',
  })
  await assert.rejects(moveWithinServer(source.url, { tables, database, user }), { code: 'IMH_SPLIT_USER_RIGHTS' })
  await assert.rejects(moveWithinServer(source.url, { tables, database: taken.name }), {
    code: 'IMH_SPLIT_TABLE_EXISTS',
  })
  assert.deepEqual(await stateOf(root, source.name), before)

  await moveWithinServer(source.url, { tables, database })
  await assert.rejects(moveWithinServer(source.url, { tables: ['bills'], database }), { code: 'IMH_SPLIT_OTHER_MOVE' })
  await undoMoveWithinServer(source.url, { database })
  await root.run(`drop user '${source.name}'`)
})

void test('moveWithinServer: an error on the way brings the tables back with their triggers', options, async () => {
  await using source = await mariadbDatabase(...schema)
  await using root = closing(await openSession(source.url))
  const database = lab(source)
  const failing: Step = (done) => {
    if (done === 'trigger orders_ten made') throw new Error('no more')
  }

  await assert.rejects(moveWithinServer(source.url, { tables, database }, { step: failing }), /no more/)

  await root.run('insert into orders (n) values (2)')
  assert.deepEqual(await root.rows('select n from orders order by id'), [['51'], ['21']])
  assert.deepEqual(await root.rows(`show tables from ${database}`), [['imhotep_split_renames']])
  await undoMoveWithinServer(source.url, { database })
})

void test('moveWithinServer: the laboratory of NileCare, there and back', options, async () => {
  await using source = await mariadbDatabase()
  await installNilecare(source.url)
  await using root = closing(await openSession(source.url))
  const names = (await readCatalog(root, source.name)).tables.map(({ name }) => name)
  const move = { tables: names.filter((name) => name.startsWith('lab_')), database: lab(source) }
  const before = await stateOf(root, source.name)

  const plan = await planWithinServer(source.url, move)
  const { moved } = await moveWithinServer(source.url, move)
  await undoMoveWithinServer(source.url, move)

  assert.equal(moved.length, 7)
  assert.deepEqual(plan.views, ['all_references', 'critical_results', 'lab_worklist', 'unbilled_lab_orders'])
  assert.deepEqual(plan.code, [
    'procedure bill_lab_order',
    'procedure import_lab_message',
    'trigger lab_results_notify',
  ])
  assert.deepEqual(await stateOf(root, source.name), before)
})
