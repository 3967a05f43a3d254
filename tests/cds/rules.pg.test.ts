import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { addPatients, at, openRaceClinic, type RaceClinic } from '../races/clinic.fixture.ts'

let clinic: RaceClinic

before(async () => {
  clinic = await openRaceClinic(4)
})
after(() => clinic.close())

const holds = async (logic: object, facts: object) => {
  const [row] = await clinic.superuser.query<{ well: boolean; holds: boolean }>(
    'select cds.valid_logic($1::jsonb) as well, cds.evaluate($1::jsonb, $2::jsonb) as holds',
    [logic, facts],
  )
  assert.equal(row?.well, true, JSON.stringify(logic))
  return row.holds
}

test('evaluate: comparisons, lists, and, or, not', async () => {
  const facts = { age: 40, route: 'iv', conditions: ['N18', 'I10'], pregnant: false, weight: null }

  for (const [logic, expected] of [
    [{ fact: 'age', op: '=', value: 40 }, true],
    [{ fact: 'age', op: '<>', value: 40 }, false],
    [{ fact: 'age', op: '<', value: 40 }, false],
    [{ fact: 'age', op: '<=', value: 40 }, true],
    [{ fact: 'age', op: '>', value: 39.5 }, true],
    [{ fact: 'route', op: '>', value: 1 }, false],
    [{ fact: 'route', op: 'in', value: ['iv', 'im'] }, true],
    [{ fact: 'route', op: 'in', value: ['oral'] }, false],
    [{ fact: 'conditions', op: 'has', value: 'N18' }, true],
    [{ fact: 'conditions', op: 'has', value: 'N1' }, false],
    [{ fact: 'pregnant', op: '=', value: false }, true],
    [{ fact: 'weight', op: 'unknown' }, true],
    [{ fact: 'age', op: 'known' }, true],
    [{ not: { fact: 'age', op: '>', value: 50 } }, true],
    [
      {
        all: [
          { fact: 'age', op: '>', value: 1 },
          { fact: 'route', op: '=', value: 'oral' },
        ],
      },
      false,
    ],
    [
      {
        any: [
          { fact: 'age', op: '>', value: 99 },
          { fact: 'route', op: '=', value: 'iv' },
        ],
      },
      true,
    ],
  ] as const) {
    assert.equal(await holds(logic, facts), expected, JSON.stringify(logic))
  }
})

test('evaluate: a comparison with a fact that is not known is false, by <> as well', async () => {
  for (const op of ['=', '<>']) assert.equal(await holds({ fact: 'weight', op, value: 1 }, {}), false)
  for (const op of ['<', '>=']) assert.equal(await holds({ fact: 'weight', op, value: 1 }, { weight: null }), false)
})

test('valid_logic: what cannot be evaluated is no condition', async () => {
  for (const logic of [
    [],
    {},
    { all: [] },
    { all: [{ fact: 'x', op: 'known' }], any: [] },
    { fact: 'x' },
    { fact: 'x', op: '<', value: '1' },
    { fact: 'x', op: 'in', value: 'a' },
    { fact: 'x', op: 'has', value: ['a'] },
    { fact: 1, op: 'known' },
    { not: [] },
  ]) {
    const [row] = await clinic.superuser.query('select cds.valid_logic($1::jsonb) as well', [JSON.stringify(logic)])
    assert.deepEqual(row, { well: false }, JSON.stringify(logic))
  }
})

test('knowledge: pairs stand once, limits of one source do not overlap', async () => {
  const pair = (subject: string, object: string) =>
    clinic.superuser.query(
      `insert into cds.drug_interactions (kind, subject_code, object_code, severity, evidence_level, effect, management, source)
       values ('drug_drug', $1, $2, 'major', 'x', 'x', 'x', 'x')`,
      [subject, object],
    )
  const limit = (age: string, single: number | null, daily: number | null, source = 'x') =>
    clinic.superuser.query(
      `insert into cds.dose_limits (ingredient_code, route, age_days, max_single, max_daily, unit, source)
       values ('a', 'oral', $1::int4range, $2, $3, 'mg', $4)`,
      [age, single, daily, source],
    )

  await assert.rejects(pair('b', 'a'), { constraint: 'drug_interactions_pairs_stand_once' })
  await limit('[0,100)', 1, 2)
  await limit('[100,)', 1, 2)
  await limit('[0,100)', 1, 2, 'y')
  await assert.rejects(limit('[50,60)', 1, 2), { constraint: 'dose_limits_not_overlapping' })
  await assert.rejects(limit('[0,1)', null, null, 'z'), { constraint: 'dose_limits_limit_something' })
  await assert.rejects(limit('[0,1)', 3, 2, 'z'), { constraint: 'dose_limits_single_within_daily' })
  await assert.rejects(limit('empty', 1, 2, 'z'), { constraint: 'dose_limits_ranges_not_empty' })
})

test('overrides: a hard stop without a second approver, or with the same person, is refused by the table itself', async () => {
  const { tenant, superuser } = clinic
  const patient = at(await addPatients(clinic, 1), 0)
  const users = [randomUUID(), randomUUID()]
  const alert = randomUUID()
  for (const user of users) {
    await clinic.asSuperuser(
      `insert into auth.users (tenant_id, id, username, display_name, primary_role, email_enc, email_bidx)
       values ($1, $2, $2::uuid::text, 'Test', 'doctor', '\\x00', sha256($2::uuid::text::bytea))`,
      [tenant, user],
    )
  }
  const fire = (id: string) =>
    clinic.asSuperuser(
      `insert into cds.alerts (tenant_id, id, patient_id, subject_type, subject_id, category, severity, message, dedupe_key)
       values ($1, $2, $3, 'test', $2, 'duplicate', 'hard_stop', 'x', 'the key')`,
      [tenant, id, patient],
    )
  const override = (second: string | null, reason = 'will_monitor', text: string | null = null) =>
    clinic.asSuperuser(
      `insert into cds.alert_overrides (tenant_id, alert_id, user_id, second_approver_id, reason_code, reason_text)
       values ($1, $2, $3, $4, $5, $6)`,
      [tenant, alert, users[0], second, reason, text],
    )
  await fire(alert)

  await assert.rejects(fire(randomUUID()), { constraint: 'alerts_one_live_per_key' })
  await assert.rejects(override(null), { sqlstate: 'IM506' })
  await assert.rejects(override(users[0] ?? ''), { constraint: 'alert_overrides_approved_by_another' })
  await assert.rejects(override(users[1] ?? '', 'other', 'short'), { constraint: 'alert_overrides_other_is_explained' })
  await override(users[1] ?? '')
  await assert.rejects(override(users[1] ?? ''), { constraint: 'alert_overrides_alert_key' })
  await assert.rejects(superuser.query('delete from cds.alert_overrides'), { sqlstate: 'IM006' })
})

test('rules: no active rule without approval and test cases; the shared ones need no tenant user', async () => {
  const insert = (code: string, tenant: string | null, cases: string) =>
    clinic.asSuperuser(
      `insert into cds.rules (tenant_id, code, name, hook, logic, severity, category, test_cases)
       values ($2, $1, 'x', 'admission', '{"fact": "x", "op": "known"}', 'info', 'stg', $3::jsonb)`,
      [code, tenant, cases],
    )
  const activate = async (code: string) => {
    await clinic.asSuperuser(`update cds.rules set status = 'testing' where code = $1`, [code])
    await clinic.asSuperuser(`update cds.rules set status = 'active' where code = $1`, [code])
  }
  const cases = '[{"name": "a", "facts": {}, "fires": false}]'

  await insert('own', clinic.tenant, cases)
  await assert.rejects(activate('own'), { constraint: 'rules_active_is_approved_and_tested' })
  await insert('shared.empty', null, '[]')
  await assert.rejects(activate('shared.empty'), { constraint: 'rules_active_is_approved_and_tested' })
  await insert('shared', null, cases)
  await activate('shared')
})
