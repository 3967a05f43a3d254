import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { openRaceClinic, type RaceClinic } from '../races/clinic.fixture.ts'

let clinic: RaceClinic

before(async () => {
  clinic = await openRaceClinic(2)
})
after(() => clinic.close())

test('every partition of resource_versions carries the policy, and nobody may read it directly', async () => {
  const partitions = await clinic.superuser.query<{
    name: string
    forced: boolean
    policies: number
    readable: boolean
  }>(`
    select
      c.relname as name, c.relrowsecurity and c.relforcerowsecurity as forced,
      (select count(*)::int from pg_policy p where p.polrelid = c.oid) as policies,
      has_table_privilege('imhotep_app', c.oid, 'select') as readable
    from pg_inherits i join pg_class c on c.oid = i.inhrelid
    where i.inhparent = 'fhir.resource_versions'::regclass
    order by 1`)

  assert.equal(partitions.length, 16)
  assert.deepEqual([partitions[0]?.name, partitions[15]?.name], ['resource_versions_h00', 'resource_versions_h15'])
  assert.ok(partitions.every(({ forced, policies, readable }) => forced && policies === 1 && !readable))
})

test('ensure_hash_partitions: makes only what is missing, and no odd numbers of partitions', async () => {
  const [again] = await clinic.superuser.query(
    `select core.ensure_hash_partitions('fhir.resource_versions', 16) as made`,
  )

  assert.deepEqual(again, { made: 0 })
  await assert.rejects(clinic.superuser.query(`select core.ensure_hash_partitions('fhir.resource_versions', 1)`), {
    sqlstate: '22023',
  })
})

test('a version that was stored cannot be changed or removed, by the superuser either', async () => {
  await clinic.as((tx) =>
    tx.query(`select fhir.store_version('Patient', $1, '\\x01', sha256('a'), 'patient.patients', $1)`, [randomUUID()]),
  )

  for (const statement of [
    `update fhir.resource_versions set valid = true`,
    'delete from fhir.resource_versions',
    'truncate fhir.resource_versions',
    'truncate fhir.resource_versions_h00',
  ])
    await assert.rejects(clinic.asSuperuser(statement, []), { sqlstate: 'IM006' })
})

test('a bundle has a type and other resources have none', async () => {
  const store = (type: string, options: object) =>
    clinic.as((tx) =>
      tx.query(
        `select fhir.store_version($1, gen_random_uuid(), '\\x01', sha256('a'), 'clinical.encounters', gen_random_uuid(), null, $2)`,
        [type, options],
      ),
    )

  await store('Bundle', { bundle_type: 'document' })
  await assert.rejects(store('Bundle', {}), { constraint: 'resource_versions_bundle_has_type' })
  await assert.rejects(store('Patient', { bundle_type: 'document' }), {
    constraint: 'resource_versions_bundle_has_type',
  })
})

test('members of an active value set stay, the shared ones too', async () => {
  for (const statement of [
    `delete from fhir.value_set_members where code = 'Invoice'`,
    `update fhir.value_set_members set display = 'Bill' where code = 'Invoice'`,
    `insert into fhir.value_set_members (value_set_id, system, code, display, seq)
     select id, 'urn:abdm:hi-type', 'Horoscope', 'Horoscope', 9 from fhir.value_sets`,
  ])
    await assert.rejects(clinic.asSuperuser(statement, []), { sqlstate: 'IM006' })
})

test('one version of a code system is current, and one of a value set active', async () => {
  await clinic.superuser.query(
    `select fhir.load_code_system('urn:test:one', v, 'Test', 'own') from unnest('{1,2}'::text[]) v`,
  )

  assert.deepEqual(
    await clinic.superuser.query(`select version from fhir.code_systems where url = 'urn:test:one' and is_current`),
    [{ version: '2' }],
  )
  await assert.rejects(
    clinic.superuser.query(`update fhir.code_systems set is_current = true where url = 'urn:test:one'`),
    {
      constraint: 'code_systems_one_current_version',
    },
  )
  await clinic.asSuperuser(
    `insert into fhir.value_sets (url, version, name) values ('urn:abdm:hi-types', 'x', 'Again')`,
    [],
  )
  await assert.rejects(clinic.asSuperuser(`update fhir.value_sets set status = 'active' where version = 'x'`, []), {
    constraint: 'value_sets_one_active_version',
  })
})

test('fhir_status_map: every state of a mapped machine has a code, and no state is made up', async () => {
  const gaps = await clinic.superuser.query(`
    with state as (
      select distinct r.machine, r.to_state as name
      from core.transition_rules r
      where r.machine in (select m.machine from core.fhir_status_map m)
    )
    select coalesce(s.machine, m.machine) as machine, coalesce(s.name, m.state) as state
    from state s
    full join core.fhir_status_map m on m.machine = s.machine and m.state = s.name
    where s.name is null or m.state is null
    order by 1, 2`)

  assert.deepEqual(gaps, [])
  await assert.rejects(clinic.superuser.query(`update core.fhir_status_map set code = 'draft'`), { sqlstate: 'IM006' })
})
