import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mariadbDatabase, needsMariadb as skip } from '../../../../tests/support/mariadb.ts'
import { countRowsOfSameKey } from './probe-table.ts'
import { openSession } from './session.ts'

test('countRowsOfSameKey: counts the rows that would be lost under a key', { skip }, async () => {
  await using database = await mariadbDatabase(
    'create table links (a int not null, b varchar(5) not null)',
    "insert into links values (1, 'x'), (1, 'X'), (1, 'y'), (2, 'x'), (2, 'x')",
  )
  const session = await openSession(database.url)
  const links = { schema: database.name, name: 'links' }

  const counts = [await countRowsOfSameKey(session, links, ['a']), await countRowsOfSameKey(session, links, ['a', 'b'])]

  assert.deepEqual(counts, [3, 2])
  await session.close()
})
