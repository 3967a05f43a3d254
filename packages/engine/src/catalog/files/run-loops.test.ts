import assert from 'node:assert/strict'
import { test } from 'node:test'
import { foldFiles } from '../files.ts'

async function fold(code: string, declared = 'n int := 0') {
  const text = `do $$ declare ${declared}; begin ${code} end $$;`
  const { tables, unknown } = await foldFiles([{ path: '1.sql', text }])
  return { tables: [...tables.keys()], unknown: unknown.map(({ reason }) => reason) }
}

test('runLoop: a loop without an end stops, and is unknown', async () => {
  const reason = 'do block: it takes too many steps'

  assert.deepEqual(await fold('loop null; end loop;'), { tables: [], unknown: [reason] })
  assert.deepEqual(await fold('while true loop null; end loop;'), { tables: [], unknown: [reason] })
  const nested = 'for i in 1..20000 loop for j in 1..20000 loop null; end loop; end loop;'
  assert.deepEqual(await fold(nested), { tables: [], unknown: [reason] })
})

test('runLoop: a loop that counts down takes no more numbers than one that counts up', async () => {
  const { unknown } = await fold('for i in reverse 30000000..1 loop null; end loop; create table a ();')

  assert.deepEqual(unknown, ['do block: it takes too many steps'])
})

test('runLoop: ends after the turn in which it may have been left', async () => {
  const batch = 'update t set a = 1; get diagnostics n = row_count;'
  const plain = { tables: ['public.behind'], unknown: [] }
  for (const end of ['exit when n = 0;', 'if n = 0 then exit; end if;', 'if n = 0 then return; end if;'])
    assert.deepEqual(await fold(`loop ${batch} ${end} end loop; create table behind ();`), plain, end)
  assert.deepEqual(await fold(`while n >= 0 loop ${batch} end loop; create table behind ();`), plain)
})

test('runLoop: the turns that an open end leaves out are unknown where they may change the schema', async () => {
  const turn = `n := n + 1; execute format('create table a.t%s ()', n); exit when exists (select from a.rows);`

  assert.deepEqual(await fold(`loop ${turn} end loop; create table behind ();`), {
    tables: ['a.t1', 'public.behind'],
    unknown: ['do block: how many turns a loop takes'],
  })
})

test('runLoop: an open end of a loop leaves the loops around and inside it alone', async () => {
  const inner = 'for j in 1..2 loop n := n + 1; end loop;'
  const open = 'loop exit when exists (select from a.rows); end loop;'
  const turn = `${open} ${inner} execute format('create table a.t%s ()', n);`

  assert.deepEqual(await fold(`for i in 1..2 loop ${turn} end loop;`), { tables: ['a.t2', 'a.t4'], unknown: [] })
})
