import assert from 'node:assert/strict'
import { test } from 'node:test'
import { UsageError } from '@imhotep/base'
import { openShared } from './open-shared.ts'

test('openShared: refuses what is no database before it connects', async () => {
  const answers: [url: string, message: RegExp][] = [
    ['oracle://root@host/shop', /neither mysql:\/\/, mariadb:\/\/ nor postgres:\/\//],
    ['shop', /neither/],
    ['mysql://root@host', /names no database/],
    ['mariadb://root@host/', /names no database/],
  ]

  for (const [url, message] of answers) {
    await assert.rejects(openShared(url), (error) => error instanceof UsageError && message.test(error.message), url)
  }
})

test('openShared: says why MariaDB is not reached, and what to do about it', async () => {
  await assert.rejects(openShared('mysql://root@127.0.0.1:1/shop'), {
    code: 'IMH_SPLIT_CONNECT',
    message: 'no connection to 127.0.0.1:1/shop: nothing listens there',
  })
})
