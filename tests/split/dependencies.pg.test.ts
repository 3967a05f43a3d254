import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  checkOwnerMap,
  findDependencies,
  openPostgresSide,
  readOwnerMap,
  type LogReader,
  type LogTransaction,
  type MovedTable,
} from '@imhotep/split'
import { logicalDatabase, runOn } from '../support/logical-server.ts'

const schema = `
create table orders (id int primary key, state text not null);
create table bills (id int primary key, order_id int not null references orders);
create view open_bills as select b.id from bills b join orders o on o.id = b.order_id where o.state = 'open';
create function bill(p_order int) returns void language plpgsql as $$
declare v_state text;
begin
  perform from orders where id = p_order;
  insert into bills values (p_order, p_order);
end $$;
create function take_all(p_table text) returns void language plpgsql as $$ begin execute 'truncate ' || p_table; end $$;
create function note_bill() returns trigger language plpgsql as $$ begin update orders set state = 'billed' where id = new.order_id; return new; end $$;
create trigger note_bill after insert on bills for each row execute function note_bill();
`

test('findDependencies: finds in PostgreSQL what the catalog holds and what transactions write together', async () => {
  await using database = await logicalDatabase()
  await runOn(database.url, schema)
  const side = await openPostgresSide(database.url)
  try {
    const catalog = await side.catalog()
    const map = checkOwnerMap(
      readOwnerMap('services: { sales: {}, billing: {} }\ntables: { orders: sales, bills: billing }', 'map.yaml'),
      catalog,
      { source: 'shop' },
    )
    const tables = ['orders', 'bills'].map(movedTable)
    const from = await side.openLog('deps', tables)
    await runOn(database.url, `insert into orders values (1, 'open')`)
    await runOn(database.url, 'insert into bills values (1, 1)')
    await runOn(database.url, 'update bills set id = 2')

    const reader = side.readLog('deps', from, tables, new AbortController().signal)
    const findings = await findDependencies({ catalog, dialect: 'postgres', map, transactions: firstThree(reader) })
    await side.closeLog('deps')

    assert.deepEqual(
      findings.dependencies.map(({ kind, from, to }) => `${kind} ${from.object} -> ${to.table.name}`),
      [
        'foreign key public.bills.bills_order_id_fkey -> orders',
        'function public.bill -> orders',
        'transaction public.bills + public.orders -> orders',
        'trigger note_bill on public.bills -> orders',
        'view public.open_bills -> orders',
      ],
    )
    assert.deepEqual(
      findings.unknown.map(({ object, reason }) => `${object}: ${reason}`),
      ['public.take_all: it runs SQL that is computed'],
    )
    assert.equal(findings.looked['transactions'], 3)
  } finally {
    await side.close()
  }
})

async function* firstThree(reader: LogReader): AsyncGenerator<LogTransaction> {
  let left = 3
  for await (const transaction of reader) {
    yield transaction
    if (transaction.changes.length > 0 && --left === 0) break
  }
  await reader.close()
}

function movedTable(name: string): MovedTable {
  const names = name === 'orders' ? ['id', 'state'] : ['id', 'order_id']
  const table = { schema: 'public', name }
  const columns = names.map((name) => {
    const type = name === 'state' ? 'text' : 'integer'
    return { name, sourceType: type, targetType: type, nullable: false }
  })
  return { source: table, target: table, columns, key: ['id'] }
}
