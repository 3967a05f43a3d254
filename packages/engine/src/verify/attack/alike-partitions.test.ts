import assert from 'node:assert/strict'
import { test } from 'node:test'
import { foldFiles } from '../../catalog/files.ts'
import { makeContext } from '../context.ts'
import { defaultPolicy } from '../policy.ts'
import { alikePartitions } from './alike-partitions.ts'
import { checkRoom } from './possible.ts'
import { AttackNotPossibleError } from './errors.ts'

async function leftOut(days: number, more = ''): Promise<string[]> {
  const partition = (day: number) =>
    `create table seen_${day} partition of seen for values from (${day}) to (${day + 1});`
  const text = `create table seen (tenant_id uuid not null, day integer not null) partition by range (day);
    create table seen_rest partition of seen default;
    ${Array.from({ length: days }, (_, day) => partition(day)).join('\n')} ${more}`
  const catalog = await foldFiles([{ path: '001.sql', text }])
  return [...alikePartitions(makeContext(catalog, defaultPolicy))].map(({ name }) => name)
}

test('alikePartitions: a family of a few dozen partitions is attacked whole', async () => {
  const names = await leftOut(40)

  assert.deepEqual(names, [])
})

test('alikePartitions: of a large family the ends, the default one and those with other guards are attacked', async () => {
  const names = await leftOut(
    80,
    'create policy wide on seen_7 using (true); grant select on seen_9 to public; alter table seen_11 enable row level security;',
  )

  assert.equal(names.length, 80 - 2 - 3 + (names.includes('seen_0') ? 1 : 0))
  for (const name of ['seen_rest', 'seen_7', 'seen_9', 'seen_11', 'seen_79']) assert.ok(!names.includes(name), name)
})

test('checkRoom: says how many locks a transaction must be allowed, when there is no room for one on each relation', () => {
  checkRoom(6400, 6400, 100)

  assert.throws(
    () => checkRoom(12_000, 6400, 100),
    (error) => error instanceof AttackNotPossibleError && /max_locks_per_transaction = 180/.test(error.hint ?? ''),
  )
})
