import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { connect } from '@imhotep/postgres'
import { runOn, startLogicalServer } from '../../../../tests/support/logical-server.ts'
import { provisionServiceDatabase } from './provision.ts'
import { makeReadOnlyCopy } from './read-only-copy.ts'

test('passwords of roles and of subscriptions stand in no log of a server that logs everything', async () => {
  const started = await startLogicalServer({
    log_min_messages: 'warning',
    log_statement: 'all',
    log_min_duration_statement: '0',
  })
  const { server } = started
  try {
    await provisionServiceDatabase(server.url(), { database: 'auth' })
    const { application } = await provisionServiceDatabase(server.url(), { database: 'lab' })
    await runOn(server.url('auth'), 'create table users (id int primary key)')
    await runOn(server.url('lab'), 'create table users (id int primary key)')
    await makeReadOnlyCopy({
      ownerUrl: server.url('auth'),
      readerUrl: server.url('lab'),
      tables: [{ schema: 'public', name: 'users' }],
    })

    const db = connect(server.url())
    const [row] = await db.query<{ directory: string }>(`select current_setting('data_directory') as directory`)
    await db.close()
    const log = await readFile(join(dirname(row?.directory ?? ''), 'server.log'), 'utf8')
    const passwords = [application.url?.reveal(), server.url()].map((url) => new URL(url ?? '').password)
    assert.match(log, /create table users/)
    for (const password of passwords) assert.ok(password.length > 8 && !log.includes(password))
  } finally {
    await started.remove()
  }
})
