import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { emptyDatabase, hospitalDatabase, testServer } from '../../../../tests/support/database.ts'
import { compareCatalogs } from '../catalog/compare.ts'
import { isNotTold } from '../diff/changes.ts'
import { makeComparable } from '../diff/comparable.ts'
import { diffCatalogs } from '../diff/diff-catalogs.ts'
import { readLive, withScratch } from '../diff/scratch.ts'
import { applyMigrations } from '../migrate/apply-migrations.ts'
import { undoMigrations } from './undo-migrations.ts'

const V001 = 'V001__complete_hims_schema.sql'
const text = await readFile(new URL(`../../../../db/migration/${V001}`, import.meta.url), 'utf8')
const HISTORY = [
  { path: V001, text },
  {
    path: 'V002__wards.sql',
    text: `alter table patient.patients add column ward_note text;
      alter table core.feature_flags alter column rollout_pct type bigint;
      create table patient.ward_notes (tenant_id uuid not null, id uuid primary key, patient_id uuid not null, body text);
      alter table patient.ward_notes enable row level security;
      create policy everybody on patient.ward_notes using (true);
      create index patients_ward on patient.patients (tenant_id, ward_note);
      grant select on patient.ward_notes to imhotep_app;
      comment on column patient.patients.ward_note is 'About: the ward.';`,
  },
  {
    path: 'V003__away.sql',
    text: `drop table patient.ward_notes;
      alter table patient.patients no force row level security;
      create or replace function core.environment() returns text language sql stable set search_path = '' as 'select null::text';
      alter table core.feature_flags add constraint feature_flags_short check (length(key) < 200);`,
  },
]

test('undoMigrations: V001 of the hospital and two increments, both taken back and applied again', async () => {
  await using database = await emptyDatabase()
  const { url } = database
  await applyMigrations(url, { files: HISTORY, to: '1' })
  const first = await readLive(url)
  await applyMigrations(url, { files: HISTORY })
  const latest = await readLive(url)

  const { undone } = await withScratch(await testServer(), (scratch) =>
    undoMigrations(url, { files: HISTORY, scratch, to: '1', allowDataLoss: true }),
  )
  const back = await readLive(url)
  await applyMigrations(url, { files: HISTORY })

  assert.deepEqual(undone, ['003', '002'])
  assert.deepEqual(compareCatalogs(first, back, { ignore: isNotTold }), [])
  assert.deepEqual(compareCatalogs(latest, await readLive(url), { ignore: isNotTold }), [])
})

test('diffCatalogs: a hospital with its rows and logins has not drifted from its history', async () => {
  await using hospital = await hospitalDatabase()
  const live = await readLive(hospital.url)

  const statements = await withScratch(await testServer(), async (scratch) => {
    const history = await scratch.catalogAfter(async (url) => {
      await applyMigrations(url, { files: HISTORY.slice(0, 1) })
    })
    makeComparable(history, live, 'core.schema_migrations')
    return diffCatalogs(history, live)
  })

  assert.deepEqual(statements, [])
})
