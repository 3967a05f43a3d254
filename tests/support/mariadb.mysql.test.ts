import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createConnection } from 'mysql2/promise'
import { needsMariadb, startMariadb } from './mariadb.ts'

void test('startMariadb: what was committed is there after kill and start', { skip: needsMariadb }, async () => {
  const server = await startMariadb()
  try {
    const before = await createConnection(server.url())
    await before.query('create database kept')
    await before.query('create table kept.rows (id int primary key)')
    await before.query('insert into kept.rows values (7)')
    before.on('error', () => undefined)
    // innodb_flush_log_at_trx_commit=0 writes once a second
    await before.query('flush engine logs')

    await server.kill()
    await server.start()

    const after = await createConnection(server.url('kept'))
    const [rows] = await after.query('select id from `rows`')
    await after.end()
    assert.deepEqual(rows, [{ id: 7 }])
  } finally {
    await server.remove()
  }
})
