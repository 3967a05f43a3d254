import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { writeFixture } from '../../../../tests/support/module-files.ts'
import { runCli } from '../../../../tests/support/run-cli.ts'

const history = {
  'db/migration/V001__orders.sql': 'create table orders (id bigint primary key, customer bigint);\n',
  'db/migration/V002__index.sql':
    'create index orders_customer on orders (customer);\nalter table items add note text;\n',
}

async function lint(t: TestContext, args: string[], files: Record<string, string> = history) {
  const cwd = await writeFixture(t, files)
  return { cwd, ...(await runCli(['lint', ...args], { cwd })) }
}

test('imhotep lint --json: answers files, statements and findings with both ends, exit code 1 for an error', async (t) => {
  const { code, stdout } = await lint(t, ['--json'])

  const answer = JSON.parse(stdout)
  assert.equal(code, 1)
  assert.deepEqual(
    ['command', 'ok', 'target', 'files', 'statements', 'findings', 'ms'].filter((key) => !(key in answer)),
    [],
  )
  assert.deepEqual([answer.files, answer.statements, answer.ok], [2, 3, false])
  const found = answer.findings.map((finding: { rule: string; file: string; line: number }) =>
    [finding.rule, finding.file, finding.line].join(' '),
  )
  assert.deepEqual(found, [
    'index-not-concurrent db/migration/V002__index.sql 1',
    'missing-object db/migration/V002__index.sql 2',
  ])
})

test('imhotep lint: a clean history is exit code 0 and one line', async (t) => {
  const files = { 'db/migration/V001__a.sql': history['db/migration/V001__orders.sql'] }

  const { code, stdout } = await lint(t, [], files)

  assert.equal(code, 0)
  assert.match(stdout, /^1 file, 1 statement: 0 findings \(.*\)\n$/)
})

test('imhotep lint: the config file changes severities, turns rules off and leaves files out', async (t) => {
  const config = { lint: { rules: { 'missing-object': 'warning', 'index-not-concurrent': 'off' } } }
  const files = { ...history, 'imhotep.config.json': JSON.stringify(config) }

  const { code, stdout } = await lint(t, ['--json'], files)

  const { findings } = JSON.parse(stdout)
  assert.deepEqual(
    findings.map(({ rule, severity }: { rule: string; severity: string }) => `${rule} ${severity}`),
    ['missing-object warning'],
  )
  assert.equal(code, 0)
})

test('imhotep lint --since: a revision of git judges the files that changed', async (t) => {
  const cwd = await writeFixture(t, history)
  const git = (...args: string[]) =>
    execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@example.org', ...args], { cwd, stdio: 'ignore' })
  git('init', '-q')
  git('add', '.')
  git('commit', '-qm', 'one')
  writeFileSync(join(cwd, 'db/migration/V003__more.sql'), 'alter table parcels add note text;\n')

  const { stdout } = await runCli(['lint', '--since', 'HEAD', '--format', 'github'], { cwd })

  assert.match(stdout, /^::error file=db\/migration\/V003__more\.sql,line=1,col=13,title=missing-object::/)
  assert.equal(stdout.trim().split('\n').length, 1)

  git('add', '.')
  git('commit', '-qm', 'two')
  mkdirSync(join(cwd, 'app'))
  const outside = ['lint', '../db/migration', '--since', 'HEAD~1', '--json']
  const { findings } = JSON.parse((await runCli(outside, { cwd: join(cwd, 'app') })).stdout)

  assert.deepEqual(
    findings.map(({ rule, file }: { rule: string; file: string }) => [rule, file]),
    [['missing-object', '../db/migration/V003__more.sql']],
  )
})

test('imhotep lint --format: other programs name files from the top of the repository, wherever the linter runs', async (t) => {
  const files = {
    'service/V001__orders.sql': history['db/migration/V001__orders.sql'],
    'service/V002__orders.sql': 'alter table orders rename to sales;\nalter table orders add column note text;\n',
  }
  const root = await writeFixture(t, files)
  const cwd = join(root, 'service')
  const args = ['lint', '.', '--only', 'used-after-rename', '--format']
  const outside = await runCli([...args, 'github'], { cwd })
  execFileSync('git', ['init', '-q'], { cwd: root })

  const [github, sarif, gitlab, text] = await Promise.all(
    [
      [...args, 'github'],
      [...args, 'sarif'],
      [...args, 'gitlab'],
      ['lint', '.'],
    ].map((own) => runCli(own, { cwd })),
  )

  assert.match(outside.stdout, /^::error file=V002__orders\.sql,.*%0AV002__orders\.sql:1: renamed here/)
  assert.match(github?.stdout ?? '', /^::error file=service\/V002__orders\.sql,.*%0Aservice\/V002__orders\.sql:1: /)
  assert.match(sarif?.stdout ?? '', /"uri": "service\/V002__orders\.sql"/)
  assert.doesNotMatch(sarif?.stdout ?? '', /"uri": "V002__orders\.sql"/)
  assert.match(gitlab?.stdout ?? '', /"path": "service\/V002__orders\.sql"/)
  assert.match(text?.stdout ?? '', /^V002__orders\.sql:2:/m)
})

test('imhotep lint: placeholders are filled, and the fix of a filled file is not written into it', async (t) => {
  const text = 'alter table ${ward}.beds add check (id > 0);\n'
  const files = {
    'imhotep.config.json': JSON.stringify({ placeholders: { ward: 'north' } }),
    'db/migration/V001__a.sql': 'create schema north;\ncreate table north.beds (id int primary key);\n',
    'db/migration/V002__b.sql': text,
  }

  const { cwd, stdout } = await lint(t, ['--json', '--fix'], files)
  const other = await lint(t, ['--json', '--placeholder', 'ward=south'], files)
  const without = await lint(t, [], { 'db/migration/V001__a.sql': text })

  const rulesIn = (json: string) => JSON.parse(json).findings.map(({ rule }: { rule: string }) => rule)
  assert.ok(rulesIn(stdout).includes('check-not-valid'))
  assert.equal(readFileSync(join(cwd, 'db/migration/V002__b.sql'), 'utf8'), text)
  assert.match(other.stdout, /south\.beds/)
  assert.match(without.stdout, /syntax-error[^]*--placeholder ward=VALUE/)
})

test('imhotep lint --fix: writes what is safe, and the file is clean afterwards', async (t) => {
  const files = {
    'V001__a.sql': history['db/migration/V001__orders.sql'],
    'V002__index.sql': 'create index orders_customer on orders (customer);\n',
  }

  const { cwd, stdout } = await lint(t, ['.', '--fix'], files)

  assert.match(stdout, /1 change made/)
  assert.equal(
    readFileSync(join(cwd, 'V002__index.sql'), 'utf8'),
    'create index concurrently orders_customer on orders (customer);\n',
  )
})

test('imhotep lint --known: an old history is adopted as it is, then only new mistakes are told', async (t) => {
  const { cwd, code } = await lint(t, ['--known', 'known.json', '--write-known'])
  writeFileSync(join(cwd, 'db/migration/V003__more.sql'), 'alter table parcels add note text;\n')

  const { stdout } = await runCli(['lint', '--known', 'known.json', '--json'], { cwd })

  const { findings, known } = JSON.parse(stdout)
  assert.deepEqual(
    findings.map(({ object }: { object: string }) => object),
    ['public.parcels'],
  )
  assert.deepEqual([code, known], [0, 2])
})

test('imhotep lint: says what is wrong with a path, a rule or a revision', async (t) => {
  const cwd = await writeFixture(t, history)
  const failures = await Promise.all(
    [['nowhere'], ['--only', 'no-such-rule'], ['--since', 'no-such-revision'], ['--known', 'absent.json']].map((args) =>
      runCli(['lint', ...args], { cwd }),
    ),
  )

  assert.deepEqual(
    failures.map(({ code, stderr }) => [code, /code: (\w+)/.exec(stderr)?.[1]]),
    [
      [2, 'IMH_LINT_INPUT'],
      [2, 'IMH_UNKNOWN_RULE'],
      [2, 'IMH_LINT_INPUT'],
      [2, 'IMH_LINT_INPUT'],
    ],
  )
})
