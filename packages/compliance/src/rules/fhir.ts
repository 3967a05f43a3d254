import { constraintRefuses, definedAndTried } from '../attempts.ts'
import {
  all,
  beginRequest,
  everyTable,
  hasClass,
  hasColumns,
  hasTrigger,
  hasUnique,
  nameOf,
  noFinding,
  noRows,
  tagOf,
} from '../checks.ts'
import { rowsOfTenants } from '../inspection.ts'
import { fail, needsPerson, notApplicable, pass, type RuleFamily } from '../rule.ts'
import { requiredBindings } from './fhir-bindings.ts'

/** Machines whose states are rendered into an element with a required binding. */
const mappedMachines = [
  'billing.charge_items',
  'billing.invoices',
  'blood_bank.blood_components',
  'clinical.conditions',
  'clinical.encounters',
  'clinical.imaging_results',
  'clinical.procedures',
  'clinical.service_requests',
  'clinical.vaccination_records',
  'compliance.consents',
  'ehr.documents',
  'insurance.insurance_claims',
  'laboratory.diagnostic_reports',
  'laboratory.lab_results',
  'laboratory.samples',
  'medication.dispenses',
  'medication.medication_administrations',
  'medication.prescription_items',
  'scheduling.appointment_slots',
  'scheduling.appointments',
  'tasking.handovers',
  'tasking.tasks',
]

/** States in which a record counts; from each it must be possible to say that it was an error. */
const signedStates: Readonly<Record<string, readonly string[]>> = {
  'clinical.encounters': ['finished'],
  'clinical.observations': ['final', 'amended'],
  'clinical.medical_records': ['signed'],
  'clinical.clinical_assessments': ['completed'],
  'clinical.conditions': ['confirmed'],
  'clinical.service_requests': ['completed'],
  'clinical.procedures': ['completed'],
  'clinical.vaccination_records': ['completed'],
  'clinical.imaging_results': ['final', 'amended', 'corrected'],
  'clinical.discharge_summaries': ['final'],
  'ehr.documents': ['current'],
  'laboratory.lab_results': ['final', 'corrected'],
  'laboratory.diagnostic_reports': ['final', 'amended', 'corrected'],
  'medication.prescription_items': ['active'],
  'medication.medication_administrations': ['given'],
}

/** SNOMED CT document types of the NRCeS bundles, as NHA's own mapper gives them. */
const compositionTypes: Readonly<Record<string, string>> = {
  OPConsultation: '371530004',
  DischargeSummary: '373942005',
  Prescription: '440545006',
  DiagnosticReport: '721981007',
  ImmunizationRecord: '41000179103',
  HealthDocumentRecord: '419891008',
}

/** SNOMED CT codes of the sections of the NRCeS documents. */
const sectionCodes = [
  '422843007',
  '425044008',
  '722446000',
  '1003642006',
  '422432008',
  '721981007',
  '1003640003',
  '1003606003',
  '734163000',
  '390906007',
  '306206005',
]

/** The logs outlive what they tell of; readings come too fast for keys and are looked at by rows. */
const withoutKeys = ['audit.audit_logs', 'audit.phi_access_logs', 'device.telemetry']

const snomed = 'http://snomed.info/sct'
const loinc = 'http://loinc.org'

/** FHIR R4 and the guide of NRCeS for India. */
export const fhir: RuleFamily = {
  name: 'fhir',
  title: 'FHIR R4 and NRCeS',
  unconfirmedClauses: false,
  rules: [
    {
      id: 'FHR-01',
      source: 'FHIR R4 (4.0.1), resource list',
      rule: 'what a table says that it is in FHIR is a resource of R4',
      kind: 'catalogue',
      async check({ tx, tables }) {
        const named = tables.flatMap((table) =>
          (tagOf(table, 'fhir') ?? '')
            .split(',')
            .map((part) => part.trim().replace(/[ .(].*$/, ''))
            .filter((resource) => resource !== 'none' && resource !== '')
            .map((resource) => ({ table: nameOf(table), resource })),
        )
        const unsaid = tables
          .filter((table) => tagOf(table, 'fhir') === undefined)
          .map((table) => `${nameOf(table)}: says nothing`)
        const rows = await tx.query<{ resource: string }>(
          `select distinct r as resource from unnest($1::text[]) as r where not fhir.is_r4_resource_type(r)`,
          [named.map(({ resource }) => resource)],
        )
        const unknown = new Set(rows.map(({ resource }) => resource))
        const offenders = [
          ...unsaid,
          ...named
            .filter(({ resource }) => unknown.has(resource))
            .map(({ table, resource }) => `${table}: ${resource}`),
        ]
        if (offenders.length > 0) return fail(`${named.length} resources named`, offenders)
        return named.length === 0
          ? fail('no table names a resource')
          : pass(`${named.length} resources named by ${tables.length} tables, each of R4`)
      },
    },
    {
      id: 'FHR-02',
      source: 'FHIR R4, required bindings',
      rule: 'every state of a mapped machine has its code, and the code is of the value set that the element is bound to',
      kind: 'catalogue',
      async check({ tx }) {
        const rows = await tx.query<{ machine: string; state: string; system: string | null; code: string | null }>(
          `select t.machine, t.state, m.code_system as system, m.code
           from (
             select machine, from_state as state from core.transition_rules where from_state <> ''
             union
             select machine, to_state from core.transition_rules
           ) t
           left join core.fhir_status_map m on m.machine = t.machine and m.state = t.state
           where t.machine = any ($1) or t.machine in (select machine from core.fhir_status_map)`,
          [mappedMachines],
        )
        const machines = new Set(rows.map(({ machine }) => machine))
        const offenders = mappedMachines
          .filter((machine) => !machines.has(machine))
          .map((machine) => `${machine}: has no states`)
        for (const { machine, state, system, code } of rows) {
          if (system === null || code === null) offenders.push(`${machine} ${state}: has no code`)
          else if (!requiredBindings[system]?.includes(code))
            offenders.push(`${machine} ${state}: ${code} is not of ${system}`)
        }
        return offenders.length > 0
          ? fail(`${rows.length} states of ${machines.size} machines`, offenders)
          : pass(`${rows.length} states of ${machines.size} machines`)
      },
    },
    {
      id: 'FHR-03',
      source: 'FHIR R4, CodeableConcept',
      rule: 'a coded fact has system, code and display',
      kind: 'catalogue',
      check: all(
        hasColumns({
          'clinical.conditions': ['code_system!', 'code!', 'display!'],
          'clinical.observations': ['code_system!', 'code!', 'display!'],
          'clinical.procedures': ['code_system!', 'code!', 'display!'],
          'clinical.service_requests': ['code_system!', 'code!', 'display!'],
          'clinical.allergies': ['code_system', 'code', 'display!'],
          'fhir.concepts': ['code_system_id!', 'code!', 'display!'],
          'fhir.value_set_members': ['system!', 'code!', 'display!'],
        }),
        noRows({
          what: 'coded facts',
          of: `
            select (select count(*) from clinical.conditions where tenant_id = $1)::int
              + (select count(*) from clinical.observations where tenant_id = $1)::int
              + (select count(*) from clinical.procedures where tenant_id = $1)::int
              + (select count(*) from clinical.service_requests where tenant_id = $1)::int
              + (select count(*) from clinical.allergies where tenant_id = $1 and code is not null)::int as n`,
          offending: `
            select fact.offender
            from (
              select 'condition ' || id as offender, code_system, code, display from clinical.conditions where tenant_id = $1
              union all
              select 'observation ' || id, code_system, code, display from clinical.observations where tenant_id = $1
              union all
              select 'procedure ' || id, code_system, code, display from clinical.procedures where tenant_id = $1
              union all
              select 'order ' || id, code_system, code, display from clinical.service_requests where tenant_id = $1
              union all
              select 'allergy ' || id, coalesce(code_system, ''), code, display from clinical.allergies where tenant_id = $1 and code is not null
            ) fact
            where fact.code_system !~ '^(https?|urn):[^ ]+$' or fact.code ~ '^\\s*$' or fact.display ~ '^\\s*$'`,
        }),
      ),
    },
    {
      id: 'FHR-04',
      source: 'FHIR R4, Quantity; UCUM',
      rule: 'a measured number has a unit that can be UCUM: ASCII, without spaces',
      kind: 'data',
      check: all(
        hasColumns({ 'device.telemetry': ['value!', 'unit!'] }),
        noRows({
          what: 'measured numbers',
          of: `
            select (select count(*) from clinical.observations where tenant_id = $1 and value_num is not null)::int
              + (select count(*) from laboratory.lab_results where tenant_id = $1 and value_num is not null)::int as n`,
          offending: `
            select measured.offender
            from (
              select 'observation ' || id as offender, unit_ucum from clinical.observations where tenant_id = $1 and value_num is not null
              union all
              select 'result ' || id, unit_ucum from laboratory.lab_results where tenant_id = $1 and value_num is not null
              union all
              select 'test ' || code, unit_ucum from laboratory.lab_tests where (tenant_id = $1 or tenant_id is null) and result_type = 'numeric'
            ) measured
            where measured.unit_ucum is null or measured.unit_ucum !~ '^[!-~]+$'`,
        }),
      ),
    },
    {
      id: 'FHR-05',
      source: 'FHIR R4, Reference',
      rule: 'patient and encounter of health data are references that hold',
      kind: 'catalogue',
      check: definedAndTried(
        everyTable(
          'tables of health data that name a patient or an encounter',
          (table) =>
            hasClass('phi')(table) &&
            !withoutKeys.includes(nameOf(table)) &&
            (table.columns.has('patient_id') || table.columns.has('encounter_id')),
          (table) => {
            const flaws = Object.entries({ patient_id: 'patient.patients', encounter_id: 'clinical.encounters' })
              .filter(([column]) => table.columns.has(column))
              .filter(
                ([column, target]) =>
                  ![...table.constraints.values()].some(
                    ({ kind, columns, references, validated }) =>
                      kind === 'foreign key' && validated && references === target && columns.includes(column),
                  ),
              )
              .map(([column]) => column)
            return flaws.length === 0 ? null : `${flaws.join(', ')} refers to nothing`
          },
        ),
        noRows({
          what: 'readings of the last day',
          of: `select count(*)::int as n from device.telemetry where tenant_id = $1 and measured_at > now() - interval '1 day'`,
          offending: `
            select distinct t.device_id::text as offender
            from device.telemetry t
            where t.tenant_id = $1 and t.measured_at > now() - interval '1 day' and t.patient_id is not null
              and not exists (select from patient.patients p where p.tenant_id = t.tenant_id and p.id = t.patient_id)`,
        }),
      ),
    },
    {
      id: 'FHR-06',
      source: 'FHIR R4, versioning',
      rule: 'a version of a resource is unique, hashed and never changed',
      kind: 'catalogue',
      check: definedAndTried(
        all(
          hasUnique('fhir.resource_versions', ['tenant_id', 'resource_type', 'logical_id', 'version']),
          hasColumns({
            'fhir.resource_versions': [
              'resource_type!',
              'logical_id!',
              'version!',
              'content_hash!',
              'content_enc!',
              'recorded_at!',
            ],
          }),
          noFinding(['append-only'], (table) => nameOf(table) === 'fhir.resource_versions'),
        ),
        constraintRefuses(
          {
            attempt: 'a version with another kind of hash',
            table: 'fhir.resource_versions',
            where: 'true',
            set: `content_hash = 'short'`,
          },
          {
            attempt: 'a version nought',
            table: 'fhir.resource_versions',
            where: 'true',
            set: 'version = 0',
          },
          {
            attempt: 'a resource type that R4 does not know',
            table: 'fhir.resource_versions',
            where: `resource_type <> 'Bundle'`,
            set: `resource_type = 'Thing'`,
          },
        ),
      ),
    },
    {
      id: 'FHR-07',
      source: 'FHIR R4, instant',
      rule: 'no column is a timestamp without time zone',
      kind: 'catalogue',
      check: everyTable(
        'tables',
        () => true,
        (table) => {
          const naive = [...table.columns.values()].filter(({ type }) =>
            /^timestamp.* without time zone(\[\])?$/.test(type),
          )
          return naive.length === 0 ? null : naive.map(({ name }) => name).join(', ')
        },
      ),
    },
    {
      id: 'FHR-08',
      source: 'FHIR R4, Identifier',
      rule: 'an identifier has the URI of its system and a value',
      kind: 'catalogue',
      check: all(
        hasColumns({
          'patient.patient_identifiers': ['system_uri!', 'value_enc!', 'value_bidx!', 'kind!'],
          'fhir.code_systems': ['url!', 'version!'],
          'fhir.value_sets': ['url!', 'version!'],
        }),
        noRows({
          what: 'identifiers of patients',
          of: 'select count(*)::int as n from patient.patient_identifiers where tenant_id = $1',
          offending: `
            select id::text as offender from patient.patient_identifiers
            where tenant_id = $1 and (system_uri !~ '^(https?|urn|oid):[^ ]+$' or octet_length(value_enc) = 0)`,
        }),
      ),
    },
    {
      id: 'FHR-09',
      source: 'FHIR R4, cardinality 1..',
      rule: 'elements that a resource must have are columns that may not be null',
      kind: 'catalogue',
      check: hasColumns({
        'patient.patients': ['mrn!', 'given_name!', 'sex!', 'status!'],
        'clinical.encounters': ['status!', 'class!', 'patient_id!', 'period!'],
        'clinical.conditions': ['patient_id!', 'code!', 'verification_status!'],
        'clinical.allergies': ['patient_id!', 'verification_status!', 'display!'],
        'clinical.observations': ['status!', 'code!', 'patient_id!', 'effective_at!'],
        'clinical.vital_signs': ['patient_id!', 'measured_at!'],
        'clinical.service_requests': ['status!', 'intent!', 'code!', 'patient_id!', 'requested_at!'],
        'clinical.procedures': ['status!', 'code!', 'patient_id!'],
        'clinical.vaccination_records': ['status!', 'vaccine_code!', 'patient_id!'],
        'clinical.imaging_studies': ['status!', 'patient_id!', 'modality!'],
        'clinical.imaging_results': ['status!', 'patient_id!', 'study_id!'],
        'clinical.medical_records': ['status!', 'type_code!', 'patient_id!', 'author_id!', 'title!', 'created_at!'],
        'clinical.discharge_summaries': ['status!', 'patient_id!', 'encounter_id!', 'prepared_by!'],
        'laboratory.lab_results': ['status!', 'test_id!', 'patient_id!', 'resulted_at!'],
        'laboratory.diagnostic_reports': ['status!', 'order_id!', 'patient_id!'],
        'laboratory.samples': ['status!', 'patient_id!', 'specimen_type!'],
        'medication.prescriptions': ['patient_id!', 'doctor_id!', 'prescribed_at!'],
        'medication.prescription_items': ['status!', 'drug_id!', 'prescription_id!'],
        'medication.dispenses': ['status!', 'patient_id!'],
        'medication.dispense_items': ['item_id!', 'quantity!'],
        'medication.medication_administrations': ['status!', 'patient_id!', 'prescription_item_id!', 'scheduled_at!'],
        'ehr.documents': ['status!', 'storage_uri!', 'mime!', 'type_code!'],
        'scheduling.appointments': ['status!', 'patient_id!', 'starts_at!', 'ends_at!'],
        'scheduling.appointment_slots': ['status!', 'starts_at!', 'ends_at!'],
        'compliance.consents': ['status!', 'patient_id!', 'kind!', 'given_at!'],
        'billing.charge_items': ['status!', 'charge_id!', 'patient_id!', 'quantity!'],
        'billing.invoices': ['status!', 'patient_id!', 'total!', 'currency!'],
        'insurance.insurance_claims': [
          'status!',
          'use!',
          'claim_type_code!',
          'patient_id!',
          'payer_id!',
          'coverage_id!',
          'priority!',
        ],
        'insurance.eligibility_checks': ['status!', 'purposes!', 'patient_id!', 'payer_id!'],
      }),
    },
    {
      id: 'FHR-10',
      source: 'FHIR R4, lifecycle',
      rule: 'a record that counts can still be marked as entered in error',
      kind: 'data',
      async check(inspection) {
        const rows = await inspection.tx.query<{ machine: string; state: string; reached: boolean }>(
          `with recursive signed as (
             select s.machine, s.state from unnest($1::text[], $2::text[]) as s (machine, state)
           ),
           path (machine, start, state) as (
             select machine, state, state from signed
             union
             select p.machine, p.start, t.to_state
             from path p
             join core.transition_rules t on t.machine = p.machine and t.from_state = p.state
           )
           select s.machine, s.state,
             exists (select from path p where p.machine = s.machine and p.start = s.state and p.state in ('entered_in_error', 'entered-in-error')) as reached
           from signed s`,
          [
            Object.entries(signedStates).flatMap(([machine, states]) => states.map(() => machine)),
            Object.values(signedStates).flat(),
          ],
        )
        const offenders = rows
          .filter(({ reached }) => !reached)
          .map(({ machine, state }) => `${machine}: not from ${state}`)
        if (offenders.length > 0) return fail(`${rows.length} states`, offenders)
        const enforced = await all(
          ...Object.keys(signedStates).map((machine) => hasTrigger(machine, 'core.enforce_transition')),
        )(inspection)
        return enforced.verdict === 'pass'
          ? pass(
              `${rows.length} states of ${Object.keys(signedStates).length} machines lead to entered in error, and each machine is enforced`,
            )
          : enforced
      },
    },
    {
      id: 'FHR-11',
      source: 'FHIR R4, Provenance',
      rule: 'every write of health data leaves who, when and what',
      kind: 'catalogue',
      check: all(
        noFinding(['audit-coverage'], (table) => hasClass('phi')(table) && (tagOf(table, 'fhir') ?? 'none') !== 'none'),
        hasColumns({
          'audit.audit_logs': [
            'occurred_at!',
            'action!',
            'schema_name!',
            'table_name!',
            'row_id',
            'actor_user_id',
            'actor_role',
            'new_values',
            'old_values',
          ],
        }),
        async (inspection) => {
          const { tx } = inspection
          const [row] = await rowsOfTenants<{ tenant_id: string; id: string }>(
            inspection,
            'select tenant_id, id from clinical.conditions where tenant_id = $1 and deleted_at is null order by id limit 1',
          )
          if (!row) return pass('no condition to write to')
          await beginRequest(inspection, row.tenant_id)
          await tx.query(
            'update clinical.conditions set rank = coalesce(rank, 0) + 1 where tenant_id = $1 and id = $2',
            [row.tenant_id, row.id],
          )
          const [log] = await tx.query<{ told: boolean }>(
            `select actor_user_id = core.current_user_id() and 'rank' = any (changed_columns) and new_values ? 'rank' as told
             from audit.audit_logs
             where tenant_id = $1 and schema_name = 'clinical' and table_name = 'conditions' and row_id = $2 and txid = pg_current_xact_id()::text::bigint
             order by occurred_at desc, seq desc
             limit 1`,
            [row.tenant_id, row.id],
          )
          return log?.told === true
            ? pass('1 write, its user, time and change in the log')
            : fail('a write left no row that tells who and what', [row.id])
        },
      ),
    },
    {
      id: 'FHR-12',
      source: 'FHIR R4, terminology',
      rule: 'value sets that columns are bound to are loaded, and the columns keep to them',
      kind: 'data',
      async check(inspection) {
        const { catalog, tenants, tx } = inspection
        const bindings = await tx.query<{ url: string; bound: string; shared: boolean; members: number }>(
          `select v.url, b as bound, v.tenant_id is null as shared,
             (select count(*)::int from fhir.value_set_members m where m.value_set_id = v.id) as members
           from fhir.value_sets v cross join unnest(v.bound_to) as b
           where v.status = 'active'`,
        )
        if (bindings.length === 0) return notApplicable('no active value set is bound to a column')
        const offenders: string[] = []
        let values = 0
        for (const { url, bound, members } of bindings) {
          const [schema = '', table = '', column = ''] = bound.split('.')
          if (members === 0) offenders.push(`${url} has no codes`)
          if (catalog.tables.get(`${schema}.${table}`)?.columns.has(column) !== true) {
            offenders.push(`${url} is bound to ${bound}, which does not exist`)
            continue
          }
          const rows = await rowsOfTenants<{ offender: string; conforms: boolean }>(
            inspection,
            `select '${bound} ' || t.id as offender, exists (
               select from fhir.value_set_members m
               where m.code = used.code and m.value_set_id = (
                 select v.id from fhir.value_sets v
                 where v.url = '${url}' and v.status = 'active' and (v.tenant_id = $1 or v.tenant_id is null)
                 order by v.tenant_id nulls last limit 1
               )
             ) as conforms
             from ${schema}.${table} t
             cross join lateral jsonb_array_elements_text(
               case jsonb_typeof(to_jsonb(t.${column})) when 'array' then to_jsonb(t.${column}) when 'string' then jsonb_build_array(t.${column}) else '[]' end
             ) as used (code)
             where t.tenant_id = $1`,
          )
          values += rows.length
          offenders.push(...rows.filter(({ conforms }) => !conforms).map(({ offender }) => offender))
        }
        return offenders.length > 0
          ? fail(`${bindings.length} bindings`, [...new Set(offenders)])
          : pass(`${bindings.length} bindings, ${values} values of ${tenants.length} tenants`)
      },
    },
    {
      id: 'FHR-13',
      source: 'FHIR R4, terminology',
      rule: 'check digits of LOINC and SNOMED CT codes are right wherever a code is kept',
      kind: 'data',
      async check({ tx }) {
        const kept = (system: string) => `
          select 'condition ' || id as row, code from clinical.conditions where code_system = '${system}'
          union all
          select 'observation ' || id, code from clinical.observations where code_system = '${system}'
          union all
          select 'procedure ' || id, code from clinical.procedures where code_system = '${system}'
          union all
          select 'order ' || id, code from clinical.service_requests where code_system = '${system}'
          union all
          select 'allergy ' || id, code from clinical.allergies where code_system = '${system}' and code is not null
          union all
          select 'concept ' || c.id, c.code from fhir.concepts c join fhir.code_systems s on s.id = c.code_system_id where s.url = '${system}'
          union all
          select 'value set member ' || id, code from fhir.value_set_members where system = '${system}'
          union all
          select 'concept map ' || id, source_code from fhir.concept_maps where source_system = '${system}'
          union all
          select 'concept map ' || id, target_code from fhir.concept_maps where target_system = '${system}' and target_code <> ''`
        const rows = await tx.query<{ row: string; valid: boolean | null }>(`
          select row, core.valid_loinc(code) as valid
          from (${kept(loinc)} union all select 'laboratory test ' || id, loinc from laboratory.lab_tests where loinc is not null) as l
          where code !~ '^(LP|LA|LL|LG)'
          union all
          select row, core.valid_sctid(code)
          from (${kept(snomed)} union all select 'drug ' || id, snomed from medication.drugs where snomed is not null) as s`)
        if (rows.length === 0) return notApplicable('no code of LOINC or SNOMED CT is kept yet')
        const offenders = rows.filter(({ valid }) => valid !== true).map(({ row }) => row)
        return offenders.length > 0 ? fail(`${rows.length} codes`, offenders) : pass(`${rows.length} codes`)
      },
    },
    {
      id: 'FHR-14',
      source: 'NRCeS implementation guide 6.5',
      rule: 'each document type goes from rows into a bundle that the validator accepts',
      kind: 'behaviour',
      check: () =>
        needsPerson(
          'this schema keeps bundles and their validation, it does not build them: build one of each document type from the rows, validate it with the package of NRCeS, and store it with fhir.store_version',
        ),
    },
    {
      id: 'FHR-15',
      source: 'NRCeS implementation guide 6.5, as used by the mapper of NHA',
      rule: 'document types and sections have the SNOMED CT codes of the guide',
      kind: 'data',
      check: all(
        noRows({
          what: 'document types',
          of: `
            select count(*)::int as n from fhir.concept_maps
            where source_system = 'urn:abdm:hi-type' and target_system = '${snomed}' and (tenant_id = $1 or tenant_id is null)`,
          offending: `
            select e.hi_type as offender
            from (values ${Object.entries(compositionTypes)
              .map(([type, code]) => `('${type}', '${code}')`)
              .join(', ')}) as e (hi_type, code)
            where (
              select array_agg(distinct m.target_code)
              from fhir.concept_maps m
              where m.source_system = 'urn:abdm:hi-type' and m.source_code = e.hi_type and m.target_system = '${snomed}'
                and m.equivalence = 'equivalent' and m.valid_during @> current_date and (m.tenant_id = $1 or m.tenant_id is null)
            ) is distinct from array[e.code]`,
        }),
        noRows({
          what: 'section codes',
          of: `
            select count(*)::int as n from fhir.value_set_members m join fhir.value_sets v on v.id = m.value_set_id
            where v.url = 'urn:nrces:composition-sections' and v.status = 'active' and (v.tenant_id = $1 or v.tenant_id is null)`,
          offending: `
            select e.code as offender
            from unnest('{${sectionCodes.join()}}'::text[]) as e (code)
            where not exists (
              select from fhir.value_set_members m
              where m.system = '${snomed}' and m.code = e.code and m.value_set_id = (
                select v.id from fhir.value_sets v
                where v.url = 'urn:nrces:composition-sections' and v.status = 'active' and (v.tenant_id = $1 or v.tenant_id is null)
                order by v.tenant_id nulls last limit 1
              )
            )`,
        }),
      ),
    },
  ],
}
