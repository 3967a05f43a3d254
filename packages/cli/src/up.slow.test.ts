import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { connect } from '@imhotep/postgres'
import { runCli } from '../../../tests/support/run-cli.ts'

const project = mkdtempSync(join(tmpdir(), 'imhotep-up-'))
const version = process.env['IMHOTEP_TEST_POSTGRES'] ?? '18'
const said: string[] = []

after(async () => {
  await runCli(['down', '--destroy', '--yes'], { cwd: project })
  rmSync(project, { recursive: true, force: true })
})

async function run(args: string[], options: Parameters<typeof runCli>[1] = {}) {
  const result = await runCli(args, { cwd: project, ...options })
  said.push(result.stdout, result.stderr)
  return result
}

const states = (text: string) => JSON.parse(text).files.map(({ state }: { state: string }) => state)
const credentials = () => JSON.parse(readFileSync(join(project, '.imhotep/credentials.json'), 'utf8'))

// One server, in the order in which a person meets the commands.

test('imhotep init: makes a project, and keeps what is there the second time', async () => {
  const first = await run(['init', '--json'])
  const second = await run(['init', '--json'])

  assert.equal(first.code, 0, first.stdout)
  assert.ok(existsSync(join(project, 'db/migration/V001__complete_hims_schema.sql')))
  assert.match(readFileSync(join(project, '.gitignore'), 'utf8'), /^\.imhotep\/$/m)
  assert.deepEqual([...new Set(states(first.stdout))], ['new'])
  assert.deepEqual([...new Set(states(second.stdout))], ['already there'])
})

for (const moment of [/creating/, /migrations \.\.\./, /seeding/]) {
  test(`imhotep up: killed at '${moment.source}', the next run goes on`, async () => {
    const { code } = await run(['up', '--postgres', version], { signal: { name: 'SIGKILL', when: moment } })

    assert.equal(code, null)
  })
}

test('imhotep up: Ctrl-C ends with exit code 130 and says to run it again', async () => {
  const { code, stderr } = await run(['up', '--postgres', version], {
    signal: { name: 'SIGINT', when: /database \.\.\./ },
  })

  assert.equal(code, 130)
  assert.match(stderr, /run it again/)
})

test('imhotep up: brings up server, schema, seeds and login, and nothing gets through', async () => {
  const { code, stdout, stderr } = await run(['up', '--postgres', version, '--json'])

  const answer = JSON.parse(stdout)
  assert.equal(code, 0, stdout + stderr)
  assert.deepEqual(Object.keys(answer), [
    'command',
    'ok',
    'target',
    'steps',
    'modules',
    'verify',
    'connection',
    'credentials',
    'ms',
  ])
  assert.equal(answer.target.environment, 'development')
  assert.deepEqual(answer.verify.attack.through, [])
  assert.ok(answer.verify.attack.attempts > 0)
  const { password, ...login } = credentials()
  const { host, port, database, user } = login
  assert.equal(answer.connection, `postgresql://${user}@${host}:${port}/${database}`)
  assert.equal(statSync(join(project, '.imhotep/credentials.json')).mode & 0o777, 0o600)
  const db = connect(`postgresql://${user}:${encodeURIComponent(password)}@${host}:${port}/${database}`)
  const rows = await db.query<{ current_user: string }>('select current_user')
  await db.close()
  assert.deepEqual(rows, [{ current_user: 'imhotep_app' }])
})

test('imhotep up: the second run finds everything there', async () => {
  const { code, stdout } = await run(['up', '--json'])

  const { steps } = JSON.parse(stdout)
  assert.equal(code, 0)
  assert.deepEqual(
    steps.filter(({ state }: { state: string }) => state !== 'already there' && state !== 'ok'),
    [],
  )
})

test('imhotep up: refuses to give a marked database another environment', async () => {
  const { code, stderr } = await run(['up', '--environment', 'production'])

  assert.equal(code, 1)
  assert.match(stderr, /code: IMH_ENVIRONMENT/)
})

test('imhotep status: finds the embedded server without DATABASE_URL', async () => {
  const { code, stdout } = await run(['status'])

  assert.equal(code, 0)
  assert.match(stdout, /^imhotep status: 127\.0\.0\.1:\d+, database imhotep, environment development/)
})

test('imhotep down: stops the server and keeps the data', async () => {
  const down = await run(['down', '--json'])
  const status = await run(['status'])
  const again = await run(['up', '--json'])

  assert.equal(JSON.parse(down.stdout).servers[0].result, 'stopped')
  assert.equal(status.code, 2)
  assert.match(status.stderr, /hint: start it with: imhotep up/)
  const migrations = JSON.parse(again.stdout).steps.find(({ step }: { step: string }) => step === 'migrations')
  assert.equal(migrations.state, 'already there')
})

test('imhotep down --destroy: keeps everything until somebody confirms', async () => {
  const { password } = credentials()

  const refused = await run(['down', '--destroy'])
  const stillThere = existsSync(join(project, '.imhotep'))
  const done = await run(['down', '--destroy', '--yes', '--json'])

  assert.equal(refused.code, 1)
  assert.ok(stillThere)
  assert.equal(JSON.parse(done.stdout).destroyed, true)
  assert.ok(!existsSync(join(project, '.imhotep')))
  assert.ok(!said.join('').includes(password), 'a command printed the password of the application')
})
