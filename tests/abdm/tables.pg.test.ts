import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { addPatients, at, openRaceClinic, type RaceClinic } from '../races/clinic.fixture.ts'

let clinic: RaceClinic
let patient: string

before(async () => {
  clinic = await openRaceClinic(2)
  patient = at(await addPatients(clinic, 1), 0)
})
after(() => clinic.close())

/** What PostgreSQL names when the statement breaks a rule. */
async function refusal(sql: string, params: unknown[] = []): Promise<string | undefined> {
  try {
    await clinic.asSuperuser(sql, params)
    return undefined
  } catch (error) {
    const { constraint, sqlstate } = error as { constraint?: string; sqlstate?: string }
    return constraint ?? sqlstate
  }
}

test('no column can hold an Aadhaar number, a virtual id, an OTP or biometrics', async () => {
  const columns = await clinic.superuser.query(`
    select attrelid::regclass::text as table, attname as column
    from pg_attribute
    where
      attrelid::regclass::text like 'abdm.%' and attnum > 0 and not attisdropped
      and attname ~ 'aadhaar|(^|_)vid($|_)|biometric|finger|iris|(^|_)otp($|_value)'`)

  assert.deepEqual(columns, [])
})

test('facility_registrations: a database that is not production holds no production registration', async () => {
  const register = (environment: string, changes: Record<string, string> = {}) => {
    const values = { url: 'https://h.example.org', secret: 'vault://abdm', hfr: 'HFR-1', ...changes }
    return refusal(
      `insert into abdm.facility_registrations
         (tenant_id, clinic_id, role, hfr_id, network_id, callback_url, secret_ref, environment)
       values ($1, $2, 'HIP', $3, gen_random_uuid()::text || 'x', $4, $5, $6)`,
      [clinic.tenant, clinic.clinic, values.hfr, values.url, values.secret, environment],
    )
  }

  assert.equal(await register('sandbox'), undefined)
  assert.equal(await register('production'), 'IM006')
  assert.equal(await register('sandbox', { url: 'http://h.example.org' }), 'facility_registrations_callback_is_https')
  assert.equal(await register('sandbox', { secret: 'the secret itself' }), 'facility_registrations_secret_is_a_path')
  assert.equal(await register('sandbox', { hfr: '2341 2341 2346' }), 'IM006')
})

test('abha_accounts: a linked account is verified and has a patient, and a patient has one', async () => {
  const account = (columns: string, values: string) =>
    refusal(`insert into abdm.abha_accounts (tenant_id, ${columns}) values ($1, ${values})`, [clinic.tenant])
  const linked = (address: string) =>
    refusal(
      `insert into abdm.abha_accounts (tenant_id, abha_address, patient_id, verified_at, verified_via, linked_at)
       values ($1, $2, $3, now(), 'scan_share', now())`,
      [clinic.tenant, address, patient],
    )
  const move = (address: string, status: string) =>
    refusal('update abdm.abha_accounts set status = $2 where abha_address = $1', [address, status])

  assert.equal(await account('kyc_status', `'pending'`), 'abha_accounts_number_or_address')
  assert.equal(await account('abha_address', `'no address'`), 'abha_accounts_address_form')
  assert.equal(await account('abha_address', `'Upper@sbx'`), 'abha_accounts_address_form')
  assert.equal(await account('abha_number_bidx', `'\\x01'`), 'abha_accounts_number_whole')
  assert.equal(await account('abha_address', `'bare@sbx'`), undefined)
  assert.equal(await move('bare@sbx', 'verified'), undefined)
  assert.equal(await move('bare@sbx', 'linked'), 'abha_accounts_linked_is_verified_and_has_patient')
  assert.equal(await account('abha_address', `'bare@sbx'`), 'abha_accounts_abha_address_key')
  for (const address of ['first@sbx', 'second@sbx']) {
    assert.equal(await linked(address), undefined)
    assert.equal(await move(address, 'verified'), undefined)
  }
  assert.equal(await move('first@sbx', 'linked'), undefined)
  assert.equal(await move('second@sbx', 'linked'), 'abha_accounts_one_per_patient')
})

test('linking_transactions: three attempts, a match is one patient, and an MR number alone matches nobody', async () => {
  const insert = (columns: string, values: string) =>
    refusal(
      `insert into abdm.linking_transactions (tenant_id, kind, request_id, hip_id, ${columns})
       values ($1, 'user_initiated_discovery', gen_random_uuid(), 'IN1', ${values})`,
      [clinic.tenant],
    )

  assert.equal(await insert('otp_attempts', '4'), 'linking_transactions_at_most_3_otp_attempts')
  assert.equal(await insert('matched_by', `'{MR}'`), 'linking_transactions_mr_number_alone_matches_nobody')
  assert.equal(await insert('matched_by', `'{NAME}'`), 'linking_transactions_matched_by_known')
  assert.equal(await insert('otp_hash', `'\\x31'`), 'linking_transactions_otp_hash_is_sha256')
  assert.equal(await insert('otp_attempts', '0'), undefined)
  assert.equal(
    await refusal(`update abdm.linking_transactions set status = 'matched'`),
    'linking_transactions_match_is_one_patient',
  )
})

test('consent artefacts: granted only when signed, what they permit is fixed, and sessions stay inside', async () => {
  const artefact = randomUUID()
  const insert = await refusal(
    `insert into abdm.consent_artefacts (
       tenant_id, id, artefact_id, role, abha_address, hip_id, hiu_id, consent_manager_id, schema_version, purpose,
       hi_types, access_mode, data_from, data_to, data_erase_at, frequency_unit, frequency_value, frequency_repeats,
       detail, signature, granted_at
     )
     values ($1, $2, $2, 'HIP', 'a.b@sbx', 'IN1', 'IN2', 'sbx', 'v1', 'CAREMGT', '{Prescription}', 'VIEW', '2026-01-01',
       '2026-12-31', now() + interval '1 day', 'HOUR', 1, 0, '{}', 'sig', now())`,
    [clinic.tenant, artefact],
  )
  const update = (set: string) => refusal(`update abdm.consent_artefacts set ${set} where id = $1`, [artefact])

  assert.equal(insert, undefined)
  assert.equal(await update(`status = 'granted'`), 'consent_artefacts_granted_only_when_signed')
  assert.equal(
    await update(`status = 'granted', signature_valid = false, signature_checked_at = now()`),
    'consent_artefacts_granted_only_when_signed',
  )
  assert.equal(await update(`status = 'granted', signature_valid = true, signature_checked_at = now()`), undefined)
  for (const change of [
    `hi_types = '{Invoice}'`,
    `data_to = '2027-01-01'`,
    `data_erase_at = 'infinity'`,
    'frequency_repeats = 9',
    `signature = 'other'`,
    `detail = '{"x": 1}'`,
  ])
    assert.equal(await update(change), 'IM006', change)

  const session = randomUUID()
  const open = await refusal(
    `insert into abdm.health_info_requests (
       tenant_id, id, role, request_id, artefact_row_id, data_from, data_to, data_push_url, crypto_alg, curve,
       peer_public_key, peer_nonce, own_private_key_enc
     )
     values ($1, $2, 'HIP', $2, $3, '2026-01-01', '2027-01-01', 'https://hiu.example.org', 'ECDH', 'Curve25519', 'k', 'n', '\\x01')`,
    [clinic.tenant, session, artefact],
  )
  const acknowledge = (extra = '') =>
    refusal(
      `update abdm.health_info_requests
       set status = 'acknowledged', authorised_at = now(), care_context_references = '{visit}' ${extra} where id = $1`,
      [session],
    )
  const transfer = () =>
    refusal(
      `insert into abdm.health_info_transfers
         (tenant_id, request_row_id, direction, care_context_reference, page_no, media_type, checksum)
       values ($1, $2, 'out', 'visit', 1, 'application/fhir+json', '\\x01')`,
      [clinic.tenant, session],
    )

  assert.equal(open, undefined)
  assert.equal(await transfer(), 'IM713')
  assert.equal(await acknowledge(), 'IM711')
  assert.equal(await acknowledge(`, data_to = '2026-12-31'`), 'IM713')
  assert.equal(
    await refusal(`update abdm.health_info_requests set status = 'rejected' where id = $1`, [session]),
    'health_info_requests_no_key_after_the_end',
  )
})

test('contexts of an artefact are append-only, and operations are the only way for an application to write', async () => {
  const grants = await clinic.superuser.query(`
    select distinct table_name
    from information_schema.role_table_grants
    where table_schema = 'abdm' and grantee = 'fhir_app' and privilege_type <> 'SELECT'`)

  assert.deepEqual(grants, [{ table_name: 'facility_registrations' }])
  assert.equal(await refusal(`delete from abdm.consent_artefact_contexts`), undefined)
  await clinic.asSuperuser(
    `insert into abdm.consent_artefact_contexts (tenant_id, artefact_row_id, patient_reference, care_context_reference)
     select tenant_id, id, 'p', 'visit' from abdm.consent_artefacts limit 1`,
    [],
  )
  assert.equal(await refusal(`delete from abdm.consent_artefact_contexts`), 'IM006')
})
