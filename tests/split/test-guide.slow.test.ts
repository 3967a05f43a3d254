import assert from 'node:assert/strict'
import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Database } from '@imhotep/postgres'
import { guide, readStatus, retire, runGuide, type GuideReport } from '@imhotep/split'
import { runCli } from '../support/run-cli.ts'
import { smallSplit } from '../support/small-split.ts'

type Here = Awaited<ReturnType<typeof smallSplit>>

interface Sabotage {
  readonly test: string
  readonly how: string
  readonly says: RegExp
  readonly harm: (here: Here) => Promise<unknown>
  readonly undo: (here: Here) => Promise<unknown>
}

/** In the order of the guide; each is undone, the last ones leave nothing to be undone. */
const sabotages: readonly Sabotage[] = [
  {
    test: 'isolation of users',
    how: 'its user may enter the database of another service',
    says: /hospital_lab_app can enter hospital_clinical/,
    harm: ({ shared }) => shared.query('grant connect on database hospital_clinical to hospital_lab_app'),
    undo: ({ shared }) => shared.query('revoke connect on database hospital_clinical from hospital_lab_app'),
  },
  {
    test: 'security',
    how: 'its role may create databases',
    says: /hospital_lab_app may create databases/,
    harm: ({ shared }) => shared.query('alter role hospital_lab_app createdb'),
    undo: ({ shared }) => shared.query('alter role hospital_lab_app nocreatedb'),
  },
  {
    test: 'security',
    how: 'others can read its environment file',
    says: /lab\.env can be read by others/,
    harm: async ({ split }) => chmodSync(split.envFileOf('lab'), 0o644),
    undo: async ({ split }) => chmodSync(split.envFileOf('lab'), 0o600),
  },
  {
    test: 'security',
    how: 'everybody can connect',
    says: /everybody can connect to hospital_lab/,
    harm: ({ shared }) => shared.query('grant connect on database hospital_lab to public'),
    undo: ({ shared }) => shared.query('revoke connect on database hospital_lab from public'),
  },
  {
    test: 'no query across services',
    how: 'a function reads a table of another service',
    says: /function public\.name_of uses clinical: patients/,
    harm: ({ lab }) =>
      lab.query(
        `create function name_of(bigint) returns text language plpgsql as $$ begin return (select name from patients where id = $1); end $$`,
      ),
    undo: ({ lab }) => lab.query('drop function name_of'),
  },
  {
    test: 'no transaction across services',
    how: 'a foreign server is there',
    says: /foreign server elsewhere/,
    harm: async ({ lab }) => {
      await lab.query('create foreign data wrapper wire')
      await lab.query('create server elsewhere foreign data wrapper wire')
    },
    undo: ({ lab }) => lab.query('drop foreign data wrapper wire cascade'),
  },
  {
    test: 'history of migrations',
    how: 'a file says something else than what was applied',
    says: /V001__tables\.sql is edited/,
    harm: async ({ split }) => changeFile(split.migrationsOf('lab'), 'create table', 'create unlogged table'),
    undo: async ({ split }) => changeFile(split.migrationsOf('lab'), 'create unlogged table', 'create table'),
  },
  {
    test: 'safe sequences',
    how: 'a sequence was set back',
    says: /the next orders\.id is in use already/,
    harm: ({ lab }) => lab.query(`select setval('orders_id_seq', 1)`),
    undo: ({ lab }) => lab.query(`select setval('orders_id_seq', 5000)`),
  },
  {
    test: 'orphans inside',
    how: 'a result has no order',
    says: /results\.\w+: 1 rows lead nowhere/,
    harm: ({ lab }) => pastTriggers(lab, 'update results set order_id = 999999 where order_id = 5'),
    undo: ({ lab }) => pastTriggers(lab, 'update results set order_id = 5 where order_id = 999999'),
  },
  {
    test: 'orphans across',
    how: 'an order has a patient that the other service does not know',
    says: /orders_patient_id_fkey: 1 keys lead nowhere/,
    harm: ({ lab }) => lab.query('update orders set patient_id = 999999 where id = 7'),
    undo: ({ lab }) => lab.query('update orders set patient_id = 8 where id = 7'),
  },
  {
    test: 'safe restart',
    how: 'a fence is open',
    says: /public\.orders can be written to in the shared database/,
    harm: ({ shared }) => shared.query('alter table orders disable trigger imhotep_split_fence'),
    undo: ({ shared }) => shared.query('alter table orders enable trigger imhotep_split_fence'),
  },
  {
    test: 'performance',
    how: 'each read waits',
    says: /by key .* ms against .* ms/,
    harm: ({ lab }) =>
      forTables(lab, (name) => [
        `alter table ${name} rename to ${name}_slow`,
        `create view ${name} as select t.* from ${name}_slow t, pg_sleep(0.01) s`,
      ]),
    undo: ({ lab }) => forTables(lab, (name) => [`drop view ${name}`, `alter table ${name}_slow rename to ${name}`]),
  },
  {
    test: 'completeness',
    how: 'a row is missing',
    says: /public\.results: 1 rows, first \(3, 1\) missing/,
    harm: ({ shared }) => pastTriggers(shared, 'delete from results where order_id = 3'),
    undo: ({ shared }) => pastTriggers(shared, 'insert into results values (3, 1, 0.3)'),
  },
  {
    test: 'content',
    how: 'one value is another one',
    says: /public\.orders: 1 rows, first \(9\) different in note/,
    harm: ({ shared }) => pastTriggers(shared, `update orders set note = 'note  9' where id = 9`),
    undo: ({ shared }) => pastTriggers(shared, `update orders set note = 'note 9' where id = 9`),
  },
  {
    test: 'way back',
    how: 'the log of the way back was dropped',
    says: /the log of the way back is not open/,
    harm: ({ lab }) =>
      lab.query(
        `select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name like 'imhotep_rev_lab%'`,
      ),
    undo: async () => {},
  },
]

test('runGuide: passes on a sound split, and each test fails when what it asks about is broken', async (t) => {
  await using here = await smallSplit()
  await here.move('lab', 'reversible')
  await here.move('clinical', 'reversible')
  const sound = await ask(here)
  assert.deepEqual(failures(sound), [])
  assert.equal(sound.passed, guide.length * 2)
  assert.deepEqual(new Set(sabotages.map((one) => one.test)), new Set(guide.map(({ name }) => name)))

  await t.test('imhotep split test: answers as text and page, with exit code 1 when a test fails', () =>
    throughCli(here),
  )
  for (const { test: name, how, says, harm, undo } of sabotages) {
    await t.test(`${name}: ${how}`, async () => {
      await harm(here)
      const { results } = await ask(here, name)
      await undo(here)

      assert.equal(results[0]?.verdict, 'fail', results[0]?.reason)
      assert.match(results[0].reason, says)
    })
  }
})

test('runGuide: asks in every state what can be asked, and says why the rest cannot', async () => {
  await using here = await smallSplit()
  const { split } = here

  const before = await ask(here)
  await here.move('lab', 'verified')
  const verified = await ask(here)
  for (const name of ['lab', 'clinical']) {
    await here.move(name, 'reversible')
    await retire(await split.moveOf(name), await split.ledger.read(name))
  }
  const retired = await ask(here)

  assert.equal(before.notApplicable, guide.length * 2)
  assert.deepEqual(failures(verified), [])
  assert.deepEqual(
    verified.results
      .filter(({ service, verdict }) => service === 'lab' && verdict === 'not applicable')
      .map(({ name }) => name),
    ['safe sequences', 'orphans across'],
  )
  assert.deepEqual(failures(retired), [])
  assert.deepEqual(
    retired.results
      .filter(({ service, verdict }) => service === 'lab' && verdict === 'not applicable')
      .map(({ name }) => name),
    ['way back', 'completeness', 'content'],
  )
  assert.match(retired.results[guide.length - 1]?.reason ?? '', /602 rows were equal at/)
  assert.equal((await readStatus(split)).independentServices, 2)
})

async function throughCli({ directory: cwd, shared, sourceUrl, targetUrl }: Here): Promise<void> {
  await shared.query('alter role hospital_lab_app createdb')
  const { code, stdout, stderr } = await runCli(
    ['split', 'test', 'lab', '--source', sourceUrl, '--target', targetUrl, '--env', 'env', '--html', 'guide.html'],
    { cwd },
  )
  await shared.query('alter role hospital_lab_app nocreatedb')

  assert.equal(code, 1, stderr)
  assert.match(stdout, /2 {2}fail {12}security: hospital_lab_app may create databases/)
  assert.match(stdout, /12 passed, 1 failed, 0 not applicable/)
  assert.match(readFileSync(join(cwd, 'guide.html'), 'utf8'), /<th scope="row">2\. security<\/th>/)
}

function ask({ split }: Here, name?: string): Promise<GuideReport> {
  const only = name === undefined ? {} : { tests: [name] }
  return runGuide(split, {
    services: ['lab', ...(name === undefined ? ['clinical'] : [])],
    ...only,
    signal: AbortSignal.timeout(60_000),
  })
}

function failures({ results }: GuideReport): string[] {
  return results
    .filter(({ verdict }) => verdict === 'fail')
    .map(({ service, name, reason }) => `${service}: ${name}: ${reason}`)
}

async function pastTriggers(db: Database, sql: string): Promise<void> {
  await db.transaction(async (tx) => {
    await tx.query('set local session_replication_role = replica')
    await tx.query(sql)
  })
}

async function forTables(db: Database, statements: (name: string) => readonly string[]): Promise<void> {
  for (const name of ['orders', 'results']) for (const sql of statements(name)) await db.query(sql)
}

function changeFile(directory: string, from: string, to: string): void {
  const file = join(directory, 'V001__tables.sql')
  writeFileSync(file, readFileSync(file, 'utf8').replaceAll(from, to))
}
