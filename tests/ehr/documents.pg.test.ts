import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { addUser } from '../auth/users.fixture.ts'
import { openRaceClinic, type RaceClinic } from '../races/clinic.fixture.ts'

let clinic: RaceClinic

before(async () => {
  clinic = await openRaceClinic(4)
})
after(() => clinic.close())

const file = {
  title: 'Report',
  type_code: 'lab_report',
  category: 'clinical',
  mime: 'application/pdf',
  size_bytes: 10,
  sha256: `\\x${'01'.repeat(32)}`,
  key_kid: 'k1',
}

test('documents: what cannot be a stored file is refused by name', async () => {
  const refused: [object, string][] = [
    [{ size_bytes: 0 }, 'documents_size_up_to_500_mb'],
    [{ size_bytes: 524_288_001 }, 'documents_size_up_to_500_mb'],
    [{ sha256: '\\x01' }, 'documents_sha256_is_32_bytes'],
    [{ storage_uri: 'https://example.org/report' }, 'documents_storage_uri_scheme'],
    [{ mime: 'pdf' }, 'documents_mime_format'],
    [{ category: 'other' }, 'documents_category_check'],
  ]
  for (const [changes, constraint] of refused) await assert.rejects(add(changes), { constraint })
  await assert.rejects(add({ colour: 'blue' }), { sqlstate: '22023' })
  await assert.rejects(add({ original_filename: 'card 2345 6789 0124.pdf' }), { sqlstate: 'IM006' })
})

test('documents: an application neither writes rows nor moves them, and nobody changes the file of a row', async () => {
  const id = await add({})

  for (const statement of [
    `update ehr.documents set status = 'current' where id = $1`,
    `update ehr.documents set sha256 = '\\x00' where id = $1`,
    `delete from ehr.documents where id = $1`,
    `insert into ehr.document_signatures (tenant_id, document_id, signer_user_id, signer_role, meaning, method, digest)
     select tenant_id, id, id, 'doctor', 'author', 'totp', sha256 from ehr.documents where id = $1`,
  ]) {
    await assert.rejects(
      clinic.as((tx) => tx.query(statement, [id])),
      { sqlstate: '42501' },
    )
  }
  await assert.rejects(clinic.asSuperuser('update ehr.documents set size_bytes = 11 where id = $1', [id]), {
    sqlstate: 'IM006',
  })
  await clinic.as((tx) => tx.query(`update ehr.documents set title = 'Blood count' where id = $1`, [id]))
})

test('documents: only a clean file is current, and only one version of a number', async () => {
  const id = await add({})

  await assert.rejects(clinic.asSuperuser(`update ehr.documents set status = 'current' where id = $1`, [id]), {
    constraint: 'documents_current_is_clean',
  })
})

test('documents: one object registered by 20 clients at once is one document', async () => {
  const storage_uri = `s3://records/${randomUUID()}`

  const ids = await Promise.all(Array.from({ length: 20 }, () => add({ storage_uri })))

  assert.equal(new Set(ids).size, 1)
})

test('document_signatures: a signature belongs to a document or to a row, and is never changed', async () => {
  const sign = (columns: object) =>
    clinic.asSuperuser(
      `insert into ehr.document_signatures
       select (jsonb_populate_record(null::ehr.document_signatures, $1)).*`,
      [{ tenant_id: clinic.tenant, id: randomUUID(), signed_at: '2026-01-01', created_at: '2026-01-01', ...columns }],
    )
  const signature = {
    subject_type: 'clinical.procedures',
    subject_id: randomUUID(),
    signer_user_id: randomUUID(),
    signer_role: 'doctor',
    meaning: 'author',
    method: 'totp',
    digest: file.sha256,
  }

  await assert.rejects(sign({ ...signature, document_id: randomUUID() }), {
    constraint: 'document_signatures_document_or_row',
  })
  await assert.rejects(sign({ ...signature, subject_type: null }), { constraint: 'document_signatures_row_is_typed' })
  await assert.rejects(sign({ ...signature, method: 'dsc' }), {
    constraint: 'document_signatures_certificate_carries_bytes',
  })
  await clinic.as(
    (tx) => tx.query(`select ehr.sign_record('clinical.procedures', $1, $2)`, [signature.subject_id, file.sha256]),
    await addUser(clinic),
  )
  await assert.rejects(clinic.asSuperuser('delete from ehr.document_signatures', []), { sqlstate: 'IM006' })
})

async function add(changes: object): Promise<string> {
  const [row] = await clinic.as((tx) =>
    tx.query<{ id: string }>('select id from ehr.add_document($1)', [
      { ...file, storage_uri: `s3://records/${randomUUID()}`, ...changes },
    ]),
  )
  assert.ok(row)
  return row.id
}
