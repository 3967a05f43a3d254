import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { after, test } from 'node:test'
import { bundled } from '../../../tests/support/bundled.ts'
import { runCli } from '../../../tests/support/run-cli.ts'
import { commands } from './commands/index.ts'

const empty = mkdtempSync(join(tmpdir(), 'imhotep-nothing-'))
after(() => rmSync(empty, { recursive: true }))

test('imhotep --help: lists every command with its summary', async () => {
  const { code, stdout } = await runCli(['--help'])

  assert.equal(code, 0)
  for (const { name } of commands) assert.match(stdout, new RegExp(`^  ${name}\\b`, 'm'))
})

test('imhotep migrate --help: shows options and examples', async () => {
  const { code, stdout } = await runCli(['migrate', '--help'])

  assert.equal(code, 0)
  assert.match(stdout, /--dry-run/)
  assert.match(stdout, /\nExamples:\n {2}imhotep migrate /)
})

test('imhotep: tells an unknown command by exit code 2 and names a similar one', async () => {
  const { code, stdout, stderr } = await runCli(['stattus'])

  assert.equal(code, 2)
  assert.equal(stdout, '')
  assert.match(stderr, /^error: unknown command 'stattus'\nhint: did you mean 'status'\?.*\ncode: IMH_USAGE\n$/)
})

test('imhotep: tells an unknown option by exit code 2 and says where the options are listed', async () => {
  const { code, stderr } = await runCli(['migrate', '--upwards'])

  assert.equal(code, 2)
  assert.match(stderr, /unknown option '--upwards'\nhint: see: imhotep migrate --help/)
})

test('imhotep --json: a failure is one object with command, ok and error', async () => {
  const { code, stdout } = await runCli(['seed', 'everything', '--json'])

  const answer = JSON.parse(stdout)
  assert.equal(code, 2)
  assert.deepEqual(Object.keys(answer), ['command', 'ok', 'error'])
  assert.deepEqual(Object.keys(answer.error), ['code', 'message', 'hint'])
  assert.equal(answer.command, 'seed')
  assert.equal(answer.ok, false)
})

for (const [words, message] of [
  [['x.sql', 'y.sql'], /^error: 'x\.sql' is no schema/],
  [[fileURLToPath(import.meta.url), 'dump:z.sql'], /^error: '.*z\.sql' does not exist/],
  [['modules', 'migrations', '--write', 'two words'], /^error: 'two words' is no name for a migration/],
] as const) {
  test(`imhotep diff ${words.slice(1).join(' ')}: refuses what is not there before it starts a server`, async () => {
    const { code, stderr } = await runCli(['diff', ...words], { cwd: empty })

    assert.equal(code, 2)
    assert.match(stderr, message)
  })
}

test('imhotep status: says what to run where there is no project', async () => {
  const { code, stderr } = await runCli(['status'], { cwd: empty })

  assert.equal(code, 2)
  assert.match(stderr, /hint: .*imhotep init/)
  assert.match(stderr, /code: IMH_PROJECT_NOT_FOUND/)
})

test('imhotep verify: a server that is not there is exit code 2, without the password', async () => {
  const { code, stdout, stderr } = await runCli([
    'verify',
    '--url',
    'postgres://me:hunter2@127.0.0.1:1/his',
    '--verbose',
  ])

  assert.equal(code, 2)
  assert.match(stderr, /code: IMH_CONNECTION_FAILED/)
  assert.ok(!`${stdout}${stderr}`.includes('hunter2'))
})

test('imhotep verify: text that is no connection string is refused without being repeated', async () => {
  const { code, stderr } = await runCli(['verify', '--url', 'host=db password=hunter2'])

  assert.equal(code, 2)
  assert.ok(!stderr.includes('hunter2'))
})

test('imhotep: a reader that goes away does not end the run', async () => {
  const main = await bundled(new URL('main.ts', import.meta.url))
  const child = spawn(process.execPath, [main, 'lint', '--help'], { stdio: ['ignore', 'pipe', 'pipe'] })
  child.stdout.destroy()
  let stderr = ''
  child.stderr.on('data', (piece: Buffer) => (stderr += piece.toString()))

  const [code] = await once(child, 'close')

  assert.deepEqual([code, stderr], [0, ''])
})
