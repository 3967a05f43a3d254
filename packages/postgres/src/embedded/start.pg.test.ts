import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, realpath, stat, truncate, writeFile } from 'node:fs/promises'
import net from 'node:net'
import { join } from 'node:path'
import { after, test } from 'node:test'
import {
  copyFiles,
  embeddedOptions,
  makeDirectory,
  makeStoppedServer,
  removeDirectories,
  startElsewhere,
} from '../../../../tests/support/embedded.ts'
import { testVersion } from '../../../../tests/support/server.ts'
import {
  ClusterVersionError,
  connect,
  ConnectionLostError,
  EmbeddedServerError,
  embeddedStatus,
  PortBusyError,
  startEmbedded,
  stopEmbedded,
  type EmbeddedServer,
} from '../index.ts'
import { findFreePort } from './ports.ts'
import { isAlive } from './process.ts'

after(removeDirectories)

async function ask<T>(server: EmbeddedServer, sql: string): Promise<T[]> {
  const db = connect(server.url(), { max: 1 })
  try {
    return await db.query<T>(sql)
  } finally {
    await db.close()
  }
}

test('startEmbedded: makes a UTF-8 server with a password, on the loopback only, durable unless told otherwise', async () => {
  const directory = await makeDirectory()

  const server = await startEmbedded({ directory, version: testVersion() })

  const settings = await ask(
    server,
    `select name, setting from pg_settings where name in ('listen_addresses', 'unix_socket_directories', 'fsync',
       'server_encoding', 'password_encryption', 'port') order by name`,
  )
  assert.deepEqual(
    settings,
    Object.entries({
      fsync: 'on',
      listen_addresses: '127.0.0.1',
      password_encryption: 'scram-sha-256',
      port: String(server.port),
      server_encoding: 'UTF8',
      unix_socket_directories: '',
    }).map(([name, setting]) => ({ name, setting })),
  )
  assert.deepEqual(await ask(server, `select lower('ÄÉ') as lower, length('ñ') as length`), [
    { lower: 'äé', length: 1 },
  ])
  assert.deepEqual(
    [server.created, server.adopted, (await stat(join(directory, 'password'))).mode & 0o777],
    [true, false, 0o600],
  )
  await server.stop()
})

test('startEmbedded: what a row and a statement hold stays out of the log', async () => {
  const directory = await makeDirectory()
  const server = await startEmbedded({ directory, version: testVersion(), settings: { fsync: 'off' } })
  const db = connect(server.url(), { max: 1 })
  await db.query(
    'create table patients (name text, born date constraint patients_born_past check (born < current_date))',
  )

  await assert.rejects(db.query(`insert into patients values ('Asha Example', '2999-01-01')`))

  await db.close()
  const log = await readFile(join(directory, 'server.log'), 'utf8')
  assert.match(log, /violates check constraint "patients_born_past"/)
  assert.doesNotMatch(log, /Asha Example/)
})

test('startEmbedded: refuses a wrong password and shows the right one in no process list', async () => {
  const server = await startEmbedded(embeddedOptions(await makeStoppedServer()))
  const { password } = new URL(server.url())
  const wrong = new URL(server.url())
  wrong.password = 'wrong'

  const commands = await Promise.all(
    (await readdir('/proc').catch(() => [])).map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')),
  )

  await assert.rejects(connect(wrong.href).query('select 1'), { code: 'IMH_AUTHENTICATION_FAILED' })
  assert.ok(password.length >= 20)
  assert.ok(!commands.some((command) => command.includes(password)))
  await server.stop()
})

test('startEmbedded: adopts the server that runs, and stop ends it', async () => {
  const directory = await makeStoppedServer()
  const first = await startEmbedded(embeddedOptions(directory))

  const second = await startEmbedded(embeddedOptions(directory))
  const running = await embeddedStatus(directory)
  await second.stop()
  await first.stop()

  assert.deepEqual([second.adopted, second.pid, second.port], [true, first.pid, first.port])
  assert.deepEqual(running, { running: true, pid: first.pid, port: first.port, version: testVersion() })
  assert.equal((await embeddedStatus(directory))?.running, false)
  assert.equal(await stopEmbedded(directory), 'not running')
})

test('startEmbedded: gives one server to processes that start at once', async () => {
  const directory = await makeStoppedServer()

  const processes = await Promise.all([1, 2, 3, 4].map(() => startElsewhere(embeddedOptions(directory))))
  const results = await Promise.all(processes.map(({ result }) => result))
  for (const { child } of processes) child.kill('SIGKILL')

  assert.equal(new Set(results.map(({ pid }) => pid)).size, 1)
  assert.equal(results.filter(({ adopted }) => adopted === false).length, 1)
  assert.equal(await stopEmbedded(directory), 'stopped')
})

test('startEmbedded: adopts the server whose starter was killed', async () => {
  const directory = await makeStoppedServer()
  const { child, result } = await startElsewhere(embeddedOptions(directory))
  const { pid } = await result
  child.kill('SIGKILL')
  await once(child, 'close')

  const server = await startEmbedded(embeddedOptions(directory))

  assert.deepEqual([server.adopted, server.pid], [true, pid])
  await server.stop()
})

test('startEmbedded: begins again when it was killed while the data directory was made', async () => {
  const directory = await makeDirectory()
  const { child } = await startElsewhere(embeddedOptions(directory))
  while (!(await readdir(directory)).some((name) => name.startsWith('data.partial-'))) {
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  child.kill('SIGKILL')
  await once(child, 'close')
  assert.ok(!existsSync(join(directory, 'data')))

  const server = await startEmbedded(embeddedOptions(directory))

  assert.equal(server.created, true)
  assert.deepEqual(await ask(server, 'select 1 as one'), [{ one: 1 }])
  assert.deepEqual(
    (await readdir(directory)).filter((name) => name.includes('partial')),
    [],
  )
  await server.stop()
})

test('startEmbedded: recovers after the server was killed, once its backends are gone', async () => {
  const directory = await makeStoppedServer()
  const options = { ...embeddedOptions(directory), settings: { fsync: 'off' } }
  const first = await startEmbedded(options)
  await ask(first, 'create table kept (a int)')
  await ask(first, 'insert into kept values (1)')
  const db = connect(first.url())
  const busy = db.dedicated()
  const { pid } = await busy
  // A backend that computes does not notice the death of its postmaster.
  const orphaned = (await busy).query('select count(*) from generate_series(1, 8000000)')
  const outcome = assert.rejects(orphaned, ConnectionLostError).catch(() => undefined)
  process.kill(first.pid, 'SIGKILL')

  const second = await startEmbedded(options)

  assert.equal(second.adopted, false)
  assert.notEqual(second.pid, first.pid)
  assert.equal(await isAlive(pid), false)
  assert.deepEqual(await ask(second, 'select a from kept'), [{ a: 1 }])
  await outcome
  await second.stop()
})

test('startEmbedded: is not stopped by a postmaster.pid that names a process of somebody else', async () => {
  const directory = await makeStoppedServer()
  const lines = [process.pid, join(directory, 'data'), 1700000000, 5432, '', '127.0.0.1', '', 'ready']
  await writeFile(join(directory, 'data', 'postmaster.pid'), lines.join('\n'))

  const server = await startEmbedded(embeddedOptions(directory))

  assert.equal(server.adopted, false)
  await server.stop()
})

test('startEmbedded: leaves a process alone that only stands in the data directory', async () => {
  const directory = await makeStoppedServer()
  const data = await realpath(join(directory, 'data'))
  await writeFile(join(data, 'postmaster.pid'), `999999\n${data}\n`)
  const stranger = spawn('sleep', ['60'], { cwd: data })
  const started = performance.now()

  const server = await startEmbedded(embeddedOptions(directory))

  assert.ok(performance.now() - started < 9_000)
  assert.equal(stranger.exitCode ?? stranger.signalCode, null)
  stranger.kill('SIGKILL')
  await server.stop()
})

test('startEmbedded: the server has none of the secrets of the environment', async (t) => {
  process.env['SECRET_OF_MINE'] = 'geheim'
  t.after(() => delete process.env['SECRET_OF_MINE'])
  const server = await startEmbedded(embeddedOptions(await makeStoppedServer()))

  const environment = await readFile(`/proc/${server.pid}/environ`, 'utf8').catch(() => 'PATH=')

  assert.match(environment, /PATH=/)
  assert.ok(!environment.includes('geheim'))
  await server.stop()
})

test('startEmbedded: is reached without TLS, whatever PGSSLMODE asks of other servers', async (t) => {
  process.env['PGSSLMODE'] = 'require'
  t.after(() => delete process.env['PGSSLMODE'])

  const server = await startEmbedded(embeddedOptions(await makeStoppedServer()))

  await server.stop()
})

test('startEmbedded: takes another port when the last one is in use, and refuses one that was asked for', async () => {
  const directory = await makeStoppedServer()
  const stranger = net.createServer().listen(0, '127.0.0.1')
  await once(stranger, 'listening')
  const last = (stranger.address() as net.AddressInfo).port
  await writeFile(join(directory, 'port'), `${last}\n`)

  await assert.rejects(
    startEmbedded({ ...embeddedOptions(directory), port: last }),
    (error) => error instanceof PortBusyError && error.port === last,
  )
  const server = await startEmbedded(embeddedOptions(directory))

  assert.notEqual(server.port, last)
  await server.stop()
  stranger.close()
})

test('startEmbedded: listens on the port that was asked for, and on the same one the next time', async () => {
  const directory = await makeStoppedServer()
  const port = await findFreePort()

  const first = await startEmbedded({ ...embeddedOptions(directory), port })
  await first.stop('immediate')
  const second = await startEmbedded(embeddedOptions(directory))

  assert.deepEqual([first.port, second.port], [port, port])
  await second.stop()
})

test('startEmbedded: passes settings on, with quotes, and refuses what is no setting', async () => {
  const directory = await makeStoppedServer()

  await assert.rejects(startEmbedded({ ...embeddedOptions(directory), settings: { 'a b': 'c' } }), {
    code: 'IMH_USAGE',
  })
  const server = await startEmbedded({ ...embeddedOptions(directory), settings: { 'app.text': `it's \\ here` } })

  assert.deepEqual(await ask(server, `select current_setting('app.text') as text`), [{ text: `it's \\ here` }])
  await server.stop()
})

test('startEmbedded: works in a directory whose path is longer than that of a unix socket may be', async () => {
  const directory = join(await makeDirectory(), 'long'.repeat(30))
  await mkdir(directory)
  copyFiles(await makeStoppedServer(), directory)

  const server = await startEmbedded(embeddedOptions(directory))

  assert.deepEqual(await ask(server, 'select 1 as one'), [{ one: 1 }])
  await server.stop()
})

test('startEmbedded: refuses the data of another major version', async () => {
  const directory = await makeStoppedServer()
  await writeFile(join(directory, 'data', 'PG_VERSION'), '14\n')

  await assert.rejects(
    startEmbedded(embeddedOptions(directory)),
    (error) => error instanceof ClusterVersionError && error.found === 14,
  )
})

test('startEmbedded: says that a data directory is damaged, and leaves it as it is', async () => {
  const directory = await makeStoppedServer()
  const control = join(directory, 'data', 'global', 'pg_control')
  await truncate(control, 100)

  await assert.rejects(
    startEmbedded(embeddedOptions(directory)),
    (error) =>
      error instanceof EmbeddedServerError && /pg_control/.test(error.message) && /backup/.test(error.hint ?? ''),
  )
  assert.equal((await stat(control)).size, 100)
  assert.equal((await embeddedStatus(directory))?.running, false)
})

test('startEmbedded: says so when the password file is not that of the server', async () => {
  const directory = await makeStoppedServer()
  await writeFile(join(directory, 'password'), 'lost\n')

  await assert.rejects(startEmbedded(embeddedOptions(directory)), /password in .* is not the one of its superuser/)
  await stopEmbedded(directory)
})

test('embeddedStatus: is null where no server was ever made', async () => {
  const directory = await makeDirectory()

  assert.equal(await embeddedStatus(directory), null)
  assert.equal(await embeddedStatus(join(directory, 'nowhere')), null)
  assert.equal(await stopEmbedded(join(directory, 'nowhere')), 'not running')
  assert.deepEqual(await readdir(directory), [])
})
