import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect } from '@imhotep/postgres'
import { bundled } from '../../../../tests/support/bundled.ts'
import { applyMigrations } from './apply-migrations.ts'
import type { MigrationSource } from './read-history.ts'

// For tests only: not exported by the package.

/** Files of both kinds; every statement leaves a row in `steps`, so that one that ran twice, or not at all, shows. */
export const mixedHistory: readonly MigrationSource[] = [
  {
    path: 'V001__start.sql',
    text: `create table steps (step text); create table t (id int);
           insert into t select generate_series(1, 2000); insert into steps values ('1')`,
  },
  ...[2, 4, 6].map((n) => ({
    path: `V00${n}__together.sql`,
    text: `create table t${n} (id int); insert into steps values ('${n}a'); select pg_sleep(0.01);
           insert into steps values ('${n}b')`,
  })),
  ...[3, 5, 7].map((n) => ({
    path: `V00${n}__apart.sql`,
    text: `insert into steps values ('${n}a'); create index concurrently t_${n} on t (id);
           insert into steps values ('${n}b'); vacuum t; insert into steps values ('${n}c');
           drop index concurrently t_${n}; create index concurrently t_${n} on t (id desc);
           insert into steps values ('${n}d')`,
  })),
]
const expectedSteps = [
  '1',
  '2a',
  '2b',
  '4a',
  '4b',
  '6a',
  '6b',
  ...['3', '5', '7'].flatMap((n) => ['a', 'b', 'c', 'd'].map((s) => n + s)),
]

/** Starts `applyMigrations` in a process of its own; it writes `ready` before it begins and its result as JSON behind it. */
export async function startMigrating(url: string, files: readonly MigrationSource[]): Promise<ChildProcess> {
  const program = await bundled(new URL('./apply-in-process.fixture.ts', import.meta.url))
  return spawn(process.execPath, [program], {
    env: { ...process.env, NODE_V8_COVERAGE: '', IMHOTEP_TEST_MIGRATE: JSON.stringify({ url, files }) },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
}

/** A process that is about to apply `mixedHistory`, and its end. */
export async function beginMigrating(url: string): Promise<{ child: ChildProcess; ended: Promise<unknown> }> {
  const child = await startMigrating(url, mixedHistory)
  const ended = once(child, 'exit')
  assert.ok(child.stdout)
  await once(child.stdout, 'data')
  return { child, ended }
}

/**
 * Kills a process that migrates the empty database at `url`, `delayMs` after it began, applies the rest here, and checks
 * that everything happened exactly once. Returns how many files the killed process had recorded, to show that the kills hit the middle.
 */
export async function killAndFinish(url: string, delayMs: number): Promise<number> {
  const { child, ended } = await beginMigrating(url)
  await sleep(delayMs)
  child.kill('SIGKILL')
  await ended

  const result = await applyMigrations(url, { files: mixedHistory })

  const database = connect(url)
  try {
    const steps = await database.query<{ step: string }>('select step from steps')
    assert.deepEqual(steps.map(({ step }) => step).toSorted(), expectedSteps.toSorted())
    const indexes = await database.query<{ name: string; valid: boolean; descending: boolean }>(
      `select indexrelid::regclass::text as name, indisvalid and indisready as valid, indoption[0] & 1 = 1 as descending
       from pg_index where indrelid = 't'::regclass order by 1`,
    )
    assert.deepEqual(
      indexes,
      ['t_3', 't_5', 't_7'].map((name) => ({ name, valid: true, descending: true })),
    )
    const history = await database.query<{ version: string; success: boolean }>(
      'select version, success from core.schema_migrations order by version',
    )
    assert.deepEqual(
      history,
      ['001', '002', '003', '004', '005', '006', '007'].map((version) => ({ version, success: true })),
    )
    assert.deepEqual(result.warnings, [])
  } finally {
    await database.close()
  }
  return result.already
}
