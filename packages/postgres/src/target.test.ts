import assert from 'node:assert/strict'
import { test } from 'node:test'
import { UsageError } from '@imhotep/base'
import { describeTarget, readUrl, redactUrl } from './target.ts'

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

for (const text of ['postgres://a:geheim@b,c/d', 'postgres://a:geheim@b:1,c:2/d', 'postgres://a@/d?host=b,c']) {
  test(`describeTarget: refuses the list of hosts in ${text.replace('geheim', '...')}`, () => {
    const refused = { name: 'UsageError', message: /several hosts|not a PostgreSQL URL/ }
    assert.throws(() => describeTarget(text), refused)
  })
}

test('describeTarget: refuses a list of hosts and a sslmode of the environment as those of the URL', (t) => {
  const { PGHOST, PGSSLMODE } = process.env
  t.after(() => {
    for (const [name, value] of Object.entries({ PGHOST, PGSSLMODE })) {
      if (value === undefined) delete process.env[name]
      else process.env[name] = value
    }
  })
  process.env['PGSSLMODE'] = 'require'
  assert.equal(readUrl('postgres://db').ssl, 'require')
  assert.equal(readUrl('postgres://db?sslmode=disable').ssl, false)
  process.env['PGHOST'] = 'a,b'
  assert.throws(() => describeTarget('postgres:///d'), /several hosts/)
})

test('describeTarget: refuses a host name that is not percent-encoded', () => {
  assert.throws(() => describeTarget('postgres://%zz/d'), UsageError)
})

test('describeTarget: takes the directory of a unix socket as host', () => {
  for (const text of ['postgres://%2Frun%2Fpg/d', 'postgres:///d?host=/run/pg']) {
    assert.deepEqual(describeTarget(`${text}${text.includes('?') ? '&' : '?'}user=u`), {
      host: '/run/pg',
      port: 5432,
      database: 'd',
      user: 'u',
    })
  }
})

test('readUrl: refuses a parameter that is not known, by its name and without its value', () => {
  for (const name of ['schema', 'connection_limit', 'channel_binding', 'passwort', 'max']) {
    assert.throws(
      () => readUrl(`postgres://db/d?sslmode=require&${name}=require`),
      (error) =>
        error instanceof UsageError && error.message.includes(`'${name}'`) && !error.message.includes('require'),
    )
  }
})

test('readUrl: sorts the parameters into login, encryption and settings of the session', () => {
  const login = readUrl(
    'postgres://db/d?user=u&password=p%26&sslmode=verify-full&options=-c%20geqo%3Doff&channel_binding=prefer',
  )

  assert.deepEqual(
    [login.user, login.password, login.ssl, login.startup],
    ['u', 'p&', { host: 'db' }, { options: '-c geqo=off' }],
  )
  assert.throws(() => readUrl('postgres://db/d?sslmode=verify-full&sslrootcert=/nowhere.pem'), /cannot be read/)
})

test('redactUrl: hides the password, also among the parameters', () => {
  const shown = redactUrl('postgres://mira:geheim@db/clinic?password=geheim&sslmode=require')

  assert.equal(shown, 'postgres://mira:***@db/clinic?password=***&sslmode=require')
})
