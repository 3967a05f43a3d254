import assert from 'node:assert/strict'
import { test } from 'node:test'
import { UsageError } from '@imhotep/base'
import { describeTarget, redactUrl } from './target.ts'

test('describeTarget: names host, port, database and user', () => {
  const target = describeTarget('postgres://mira:geheim@db.example:6543/clinic%20one?sslmode=require')

  assert.deepEqual(target, { host: 'db.example', port: 6543, database: 'clinic one', user: 'mira' })
})

test('describeTarget: fills in what the URL leaves out', () => {
  const target = describeTarget('postgresql://mira@[::1]')

  assert.deepEqual(target, { host: '::1', port: 5432, database: 'mira', user: 'mira' })
})

for (const text of ['mysql://a:geheim@b/c', 'geheim', 'postgres://a:geheim@b:port/c', 'postgres://a:ge%heim@b/c']) {
  test(`describeTarget: refuses ${text.replace('geheim', '...')} without repeating it`, () => {
    assert.throws(
      () => describeTarget(text),
      (error) => error instanceof UsageError && !error.message.includes('heim'),
    )
    assert.equal(redactUrl(text), '(not a connection string)')
  })
}

test('redactUrl: hides the password, also among the parameters', () => {
  const shown = redactUrl('postgres://mira:geheim@db/clinic?password=geheim&sslmode=require')

  assert.equal(shown, 'postgres://mira:***@db/clinic?password=***&sslmode=require')
})
