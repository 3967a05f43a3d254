import { constraintRefuses, definedAndTried, refusesOnRow } from '../attempts.ts'
import {
  all,
  everyTable,
  hasCheck,
  hasClass,
  hasColumns,
  hasMove,
  hasReference,
  hasUnique,
  inSchemas,
  nameOf,
  noFinding,
  noRows,
  tagOf,
} from '../checks.ts'
import type { RuleFamily } from '../rule.ts'

const inLaboratory = inSchemas('laboratory')
const released = `('final', 'corrected', 'superseded')`
const issued = `('partial', 'final', 'amended', 'corrected')`
/** The member of staff that the probes act as. */
const actingStaff = `(select s.id from workforce.staff s where s.tenant_id = $1 and s.user_id = core.current_user_id())`

/** ISO 15189:2022, as NABL assesses it. */
export const iso15189: RuleFamily = {
  name: 'iso15189',
  title: 'ISO 15189:2022 (NABL)',
  unconfirmedClauses: true,
  rules: [
    {
      id: 'ISO-01',
      source: '7.2.3',
      rule: 'a request names the patient, who asks, the test and the time',
      kind: 'catalogue',
      check: definedAndTried(
        all(
          hasColumns({
            'laboratory.lab_orders': ['patient_id!', 'ordered_at!', 'priority!', 'clinic_id!'],
            'laboratory.lab_order_items': ['order_id!', 'test_id!'],
          }),
          hasReference('laboratory.lab_orders', 'patient_id', 'patient.patients'),
          hasReference('laboratory.lab_order_items', 'order_id', 'laboratory.lab_orders'),
          hasReference('laboratory.lab_order_items', 'test_id', 'laboratory.lab_tests'),
          hasCheck('laboratory.lab_orders', /ordering_doctor_id/, /external_doctor/),
        ),
        constraintRefuses({
          attempt: 'an order that nobody asked for',
          table: 'laboratory.lab_orders',
          where: 'true',
          set: 'ordering_doctor_id = null, external_doctor = null',
        }),
      ),
    },
    {
      id: 'ISO-02',
      source: '7.2.4',
      rule: 'a collected sample says who took it, when, and how the patient was identified',
      kind: 'catalogue',
      check: definedAndTried(
        hasCheck('laboratory.samples', /collected_at/, /collected_by/, /patient_id_check/),
        constraintRefuses(
          ...[
            ['without a collector', 'collected_by = null'],
            ['without the time', 'collected_at = null, received_at = null'],
            ['of a patient who was not identified', `patient_id_check = 'not_done'`],
            ['without a word on identification', 'patient_id_check = null'],
          ].map(([attempt = '', set = '']) => ({
            attempt: `a sample collected ${attempt}`,
            table: 'laboratory.samples',
            where: `status = 'collected'`,
            set,
          })),
        ),
      ),
    },
    {
      id: 'ISO-03',
      source: '7.2.5',
      rule: 'a transported sample has its departure, its arrival and the temperature on arrival',
      kind: 'data',
      check: noRows({
        what: 'transported samples',
        of: `
          select count(*)::int as n from laboratory.samples s
          where s.tenant_id = $1 and (s.shipped_at is not null or exists (
            select from laboratory.sample_events e where e.tenant_id = s.tenant_id and e.sample_id = s.id and 'in_transit' in (e.from_status, e.to_status)
          ))`,
        // an aliquot was divided after the journey of its parent
        offending: `
          select s.id::text as offender
          from laboratory.samples s
          cross join lateral (
            select
              count(*) filter (where e.to_status = 'in_transit') as departures,
              count(*) filter (where e.from_status = 'in_transit') as arrivals,
              count(*) filter (where e.from_status = 'in_transit' and e.to_status = 'received' and e.temperature_c is null) as unmeasured,
              bool_or(e.from_status = 'in_transit' and e.occurred_at < s.shipped_at) as arrived_before
            from laboratory.sample_events e
            where e.tenant_id = s.tenant_id and e.sample_id = s.id
          ) e
          where s.tenant_id = $1 and s.parent_sample_id is null
            and (s.shipped_at is not null or e.departures + e.arrivals > 0)
            and (
              s.shipped_at is null or e.departures <> 1 or e.arrived_before
              or e.arrivals <> case when s.status = 'in_transit' then 0 else 1 end or e.unmeasured > 0
            )`,
      }),
    },
    {
      id: 'ISO-04',
      source: '7.2.6.1',
      rule: 'a received sample says who received it, when and in what condition',
      kind: 'catalogue',
      check: definedAndTried(
        all(
          hasCheck('laboratory.samples', /received_at/, /received_by/, /receipt_condition/),
          hasReference('laboratory.samples', 'received_by', 'workforce.staff'),
        ),
        constraintRefuses(
          ...['received_at', 'received_by', 'receipt_condition'].map((column) => ({
            attempt: `a received sample without ${column}`,
            table: 'laboratory.samples',
            where: "received_at is not null and status in ('received', 'accessioned', 'tested', 'stored')",
            set: `${column} = null`,
          })),
        ),
      ),
    },
    {
      id: 'ISO-05',
      source: '7.2.6.2',
      rule: 'a compromised sample that was accepted is stated on the report',
      kind: 'data',
      check: noRows({
        what: 'issued reports',
        of: `select count(*)::int as n from laboratory.diagnostic_reports where tenant_id = $1 and status in ${issued}`,
        offending: `
          select distinct d.id::text as offender
          from laboratory.diagnostic_reports d
          join laboratory.lab_results r on r.tenant_id = d.tenant_id and r.id = any (d.result_ids)
          join laboratory.samples s on s.tenant_id = r.tenant_id and s.id = r.sample_id
          where d.tenant_id = $1 and d.status in ${issued} and coalesce(s.receipt_condition, 'good') <> 'good'
            and (s.accepted_with_exception is null or s.accepted_with_exception <> all (d.exceptions))`,
      }),
    },
    {
      id: 'ISO-06',
      source: '7.2.6.2',
      rule: 'a rejected sample has a coded reason and says who rejected it and when',
      kind: 'catalogue',
      check: definedAndTried(
        all(
          hasCheck('laboratory.samples', /rejected/, /rejection_reason_code/),
          hasCheck('laboratory.sample_events', /rejected/, /reason_code/),
        ),
        constraintRefuses(
          {
            attempt: 'a sample rejected for no reason',
            table: 'laboratory.samples',
            where: `status in ('collected', 'rejected')`,
            set: `status = 'rejected', rejection_reason_code = null, rejected_by = null, rejected_at = null`,
          },
          {
            attempt: 'a sample rejected by nobody',
            table: 'laboratory.samples',
            where: `status = 'rejected'`,
            set: 'rejected_by = null',
          },
          {
            attempt: 'the event of a rejection without its reason',
            table: 'laboratory.sample_events',
            where: 'true',
            set: `to_status = 'rejected', reason_code = null`,
          },
        ),
      ),
    },
    {
      id: 'ISO-07',
      source: '7.2.6',
      rule: 'accession number and barcode belong to one sample, and an aliquot names the sample that it comes from',
      kind: 'catalogue',
      check: all(
        hasUnique('laboratory.samples', ['tenant_id', 'accession_number']),
        hasUnique('laboratory.samples', ['tenant_id', 'barcode']),
        hasReference('laboratory.samples', 'parent_sample_id', 'laboratory.samples'),
        hasReference('laboratory.samples', 'order_id', 'laboratory.lab_orders'),
        hasReference('laboratory.lab_results', 'sample_id', 'laboratory.samples'),
        hasColumns({ 'laboratory.samples': ['accession_number!', 'barcode!', 'order_id!', 'patient_id!'] }),
      ),
    },
    {
      id: 'ISO-08',
      source: '7.2.6',
      rule: 'the events of a sample are one unbroken chain that ends in its state, each by a named person',
      kind: 'data',
      check: all(
        hasColumns({ 'laboratory.sample_events': ['actor_id!', 'occurred_at!', 'to_status!'] }),
        noFinding(['append-only'], (table) => nameOf(table) === 'laboratory.sample_events'),
        noRows({
          what: 'samples',
          of: 'select count(*)::int as n from laboratory.samples where tenant_id = $1',
          // entered less left is one for the state it is in, and nought for every other
          offending: `
            select s.id::text as offender
            from laboratory.samples s
            where s.tenant_id = $1 and (
              (select count(*) from laboratory.sample_events e where e.tenant_id = s.tenant_id and e.sample_id = s.id and e.from_status is null) <> 1
              or exists (
                select
                from laboratory.sample_events e
                cross join lateral (values (e.to_status, 1), (e.from_status, -1)) as step (state, n)
                where e.tenant_id = s.tenant_id and e.sample_id = s.id and step.state is not null
                group by step.state
                having sum(step.n) <> (step.state = s.status::text)::int
              )
              or exists (
                select
                from laboratory.sample_events e
                where e.tenant_id = s.tenant_id and e.sample_id = s.id and not exists (
                  select from core.transition_rules t
                  where t.machine = 'laboratory.samples' and t.from_state = coalesce(e.from_status, '') and t.to_state = e.to_status
                )
              )
            )`,
        }),
      ),
    },
    {
      id: 'ISO-09',
      source: '7.4.2',
      rule: 'a stored sample has its place and its term, and none is disposed of before without a reason',
      kind: 'data',
      check: noRows({
        what: 'stored or disposed samples',
        of: `select count(*)::int as n from laboratory.samples where tenant_id = $1 and (status in ('stored', 'disposed') or disposed_at is not null)`,
        offending: `
          select s.id::text as offender
          from laboratory.samples s
          where s.tenant_id = $1 and (
            (s.status = 'stored' and num_nulls(s.storage_location_id, s.retain_until) > 0)
            or (s.status = 'disposed' and num_nulls(s.disposed_at, s.disposed_by) > 0)
            or (s.disposed_at is not null and (s.disposed_at at time zone 'UTC')::date < s.retain_until and not exists (
              select from laboratory.sample_events e
              where e.tenant_id = s.tenant_id and e.sample_id = s.id and e.to_status = 'disposed' and e.reason_code is not null
            ))
          )`,
      }),
    },
    {
      id: 'ISO-10',
      source: '7.3.7.2',
      rule: 'no result is released while quality control of its test and analyser is rejected',
      kind: 'behaviour',
      check: refusesOnRow(
        ...[
          ['the operation', 'select laboratory.authorise_result($2) from core.tenants t where t.id = $1'],
          [
            'a statement of its own',
            `update laboratory.lab_results set status = 'final', authorised_by = verified_by, authorised_at = now() where tenant_id = $1 and id = $2`,
          ],
        ].map(([by = '', statement = '']) => ({
          attempt: `release by ${by} after a rejected run`,
          row: `
            select r.id
            from laboratory.lab_results r
            where r.tenant_id = $1 and r.verified_by is not null and r.status in ('verified', 'final')
              and exists (
                select from laboratory.qc_lots l
                join laboratory.qc_results q on q.tenant_id = l.tenant_id and q.qc_lot_id = l.id
                where l.tenant_id = r.tenant_id and l.device_id = r.device_id and l.test_id = r.test_id and l.status = 'active'
              )
            order by r.status = 'verified' desc, r.id`,
          given: [
            'set local session_replication_role = replica',
            `update laboratory.lab_results set status = 'verified', authorised_by = null, authorised_at = null where tenant_id = $1 and id = $2`,
            `insert into laboratory.qc_results
             select (jsonb_populate_record(null::laboratory.qc_results, to_jsonb(q) || jsonb_build_object('id', gen_random_uuid(), 'run_at', now(), 'verdict', 'reject', 'z_score', 4, 'reviewed_at', null, 'reviewed_by', null))).*
             from laboratory.lab_results r
             join laboratory.qc_lots l on l.tenant_id = r.tenant_id and l.device_id = r.device_id and l.test_id = r.test_id and l.status = 'active'
             join lateral (select c.* from laboratory.qc_results c where c.tenant_id = l.tenant_id and c.qc_lot_id = l.id order by c.run_at desc limit 1) q on true
             where r.tenant_id = $1 and r.id = $2`,
            'set local session_replication_role = origin',
          ],
          statement,
          with: ['IM310'],
        })),
      ),
    },
    {
      id: 'ISO-11',
      source: '7.3.7.3',
      rule: 'every test in the accredited scope had a round of external assessment in the last twelve months',
      kind: 'data',
      check: noRows({
        what: 'tests in the accredited scope',
        of: `select count(*)::int as n from laboratory.lab_tests where tenant_id = $1 and nabl_scope and active and kind <> 'panel'`,
        offending: `
          select t.code as offender
          from laboratory.lab_tests t
          where t.tenant_id = $1 and t.nabl_scope and t.active and t.kind <> 'panel' and not exists (
            select from laboratory.qc_results q
            where q.tenant_id = t.tenant_id and q.test_id = t.id and q.scheme = 'eqa' and q.run_at between now() - interval '12 months' and now()
          )`,
      }),
    },
    {
      id: 'ISO-12',
      source: '7.4.1.2',
      rule: 'a result is released after verification and authorisation, by two people where the test asks for it',
      kind: 'catalogue',
      check: definedAndTried(
        hasCheck('laboratory.lab_results', /final/, /verified_by/, /authorised_by/),
        all(
          constraintRefuses(
            ...['verified_by', 'authorised_by'].map((column) => ({
              attempt: `a released result without ${column}`,
              table: 'laboratory.lab_results',
              where: `status = 'final'`,
              set: `${column} = null`,
            })),
          ),
          refusesOnRow(
            {
              attempt: 'authorisation by the one who verified',
              row: `
                select r.id from laboratory.lab_results r join laboratory.lab_tests t on t.id = r.test_id and t.requires_authorisation
                where r.tenant_id = $1 and r.verified_by is not null and r.status in ('verified', 'final') and r.device_id is null order by r.id`,
              given: [
                'set local session_replication_role = replica',
                `update laboratory.lab_results set status = 'verified', authorised_by = null, authorised_at = null, verified_by = ${actingStaff} where tenant_id = $1 and id = $2`,
                'set local session_replication_role = origin',
              ],
              statement: 'select laboratory.authorise_result($2) from core.tenants t where t.id = $1',
              with: ['IM312'],
            },
            {
              attempt: 'verification by the one who entered it',
              row: `
                select r.id from laboratory.lab_results r join laboratory.lab_tests t on t.id = r.test_id and t.requires_authorisation
                where r.tenant_id = $1 and r.status in ('preliminary', 'verified', 'final') order by r.id`,
              given: [
                'set local session_replication_role = replica',
                `update laboratory.lab_results set status = 'preliminary', verified_by = null, verified_at = null, entered_by = ${actingStaff} where tenant_id = $1 and id = $2`,
                'set local session_replication_role = origin',
              ],
              statement: 'select laboratory.verify_result($2) from core.tenants t where t.id = $1',
              with: ['IM312'],
            },
          ),
        ),
      ),
    },
    {
      id: 'ISO-13',
      source: '7.4.1.3',
      rule: 'every released critical result was told to someone who read it back',
      kind: 'data',
      check: noRows({
        what: 'released critical results',
        of: `
          select (select count(*) from laboratory.lab_results where tenant_id = $1 and is_critical and status in ${released})::int
            + (select count(*) from clinical.imaging_results where tenant_id = $1 and is_critical and status in ('final', 'amended', 'corrected'))::int as n`,
        offending: `
          select r.id::text as offender
          from laboratory.lab_results r
          where r.tenant_id = $1 and r.is_critical and r.status in ${released} and not exists (
            select from laboratory.critical_notifications n where n.tenant_id = r.tenant_id and n.result_id = r.id and n.read_back
          )
          union all
          select i.id::text
          from clinical.imaging_results i
          where i.tenant_id = $1 and i.is_critical and i.status in ('final', 'amended', 'corrected') and i.critical_notified_at is null
            and not exists (
              select from laboratory.critical_notifications n where n.tenant_id = i.tenant_id and n.imaging_result_id = i.id and n.read_back
            )`,
      }),
    },
    {
      id: 'ISO-14',
      source: '7.4.1.6',
      rule: 'an issued report can state laboratory, patient, requester, sample and its times, method, unit, interval and who signed it',
      kind: 'data',
      check: noRows({
        what: 'issued reports',
        of: `select count(*)::int as n from laboratory.diagnostic_reports where tenant_id = $1 and status in ${issued}`,
        offending: `
          select distinct d.id::text as offender
          from laboratory.diagnostic_reports d
          join laboratory.lab_orders o on o.tenant_id = d.tenant_id and o.id = d.order_id
          join facility.clinics c on c.tenant_id = o.tenant_id and c.id = o.clinic_id
          join patient.patients p on p.tenant_id = d.tenant_id and p.id = d.patient_id
          left join lateral unnest(d.result_ids) as stated (id) on true
          left join laboratory.lab_results r on r.tenant_id = d.tenant_id and r.id = stated.id
          left join laboratory.lab_order_items i on i.tenant_id = r.tenant_id and i.id = r.order_item_id
          left join laboratory.lab_tests t on t.id = r.test_id
          left join laboratory.samples s on s.tenant_id = r.tenant_id and s.id = r.sample_id
          where d.tenant_id = $1 and d.status in ${issued} and (
            num_nulls(d.signed_by, d.issued_at, d.signed_at, c.name, p.mrn, r.id, s.collected_at, s.received_at, s.specimen_type) > 0
            or i.order_id <> d.order_id or r.patient_id <> d.patient_id or o.patient_id <> d.patient_id
            or num_nonnulls(o.ordering_doctor_id, o.external_doctor) = 0
            or coalesce(r.method, t.method) is null
            or (r.value_num is not null and (r.unit_ucum is null or coalesce(r.reference_text, r.reference_range_id::text) is null))
          )`,
      }),
    },
    {
      id: 'ISO-15',
      source: '7.4.1.8',
      rule: 'a correction is a new version with its reason, and what was released stays as it was',
      kind: 'catalogue',
      check: definedAndTried(
        all(
          hasCheck('laboratory.lab_results', /supersedes_id/, /amendment_reason/),
          hasCheck('laboratory.diagnostic_reports', /amends_id/, /amendment_reason/, /version/),
          hasUnique('laboratory.diagnostic_reports', ['tenant_id', 'report_number', 'version']),
          hasUnique('laboratory.diagnostic_reports', ['tenant_id', 'order_id'], /is_current/),
          hasReference('laboratory.lab_results', 'supersedes_id', 'laboratory.lab_results'),
          hasReference('laboratory.diagnostic_reports', 'amends_id', 'laboratory.diagnostic_reports'),
        ),
        all(
          constraintRefuses(
            {
              attempt: 'a corrected result without a reason',
              table: 'laboratory.lab_results',
              where: 'supersedes_id is not null',
              set: 'amendment_reason = null',
            },
            {
              attempt: 'a second version of a report without a reason',
              table: 'laboratory.diagnostic_reports',
              where: 'version > 1',
              set: 'amendment_reason = null',
            },
          ),
          refusesOnRow(
            {
              attempt: 'another value for a released result',
              row: `select id from laboratory.lab_results where tenant_id = $1 and status = 'final' order by id`,
              statement: 'update laboratory.lab_results set value_num = value_num + 1 where tenant_id = $1 and id = $2',
              with: ['IM311'],
            },
            {
              attempt: 'other results on an issued report',
              row: `select id from laboratory.diagnostic_reports where tenant_id = $1 and status in ('final', 'corrected', 'amended') order by id`,
              statement: `update laboratory.diagnostic_reports set result_ids = '{}' where tenant_id = $1 and id = $2`,
              with: ['IM311'],
            },
          ),
        ),
      ),
    },
    {
      id: 'ISO-16',
      source: '7.5',
      rule: 'a rejected run of quality control is closed only with the incident that looks into it',
      kind: 'catalogue',
      check: definedAndTried(
        all(
          hasCheck('laboratory.qc_results', /reject/, /incident_id/),
          hasReference('laboratory.qc_results', 'incident_id', 'compliance.incidents'),
        ),
        constraintRefuses({
          attempt: 'a rejected run reviewed without an incident',
          table: 'laboratory.qc_results',
          where: `scheme = 'iqc'`,
          set: `verdict = 'reject', reviewed_at = now(), reviewed_by = operator_id, incident_id = null`,
        }),
      ),
    },
    {
      id: 'ISO-17',
      source: '6.4, 6.5',
      rule: 'the analyser of a released result was calibrated when it was measured',
      kind: 'data',
      check: noRows({
        what: 'released results of analysers',
        of: `select count(*)::int as n from laboratory.lab_results where tenant_id = $1 and device_id is not null and status in ${released}`,
        offending: `
          select r.id::text as offender
          from laboratory.lab_results r
          left join lateral (
            select m.result, m.next_due_on, m.out_of_tolerance
            from device.device_maintenance m
            where m.tenant_id = r.tenant_id and m.device_id = r.device_id and m.kind in ('acceptance', 'calibration') and m.performed_at <= r.resulted_at
            order by m.performed_at desc
            limit 1
          ) m on true
          where r.tenant_id = $1 and r.device_id is not null and r.status in ${released}
            and (m.result is null or m.result = 'fail' or m.out_of_tolerance or m.next_due_on < (r.resulted_at at time zone 'UTC')::date)`,
      }),
    },
    {
      id: 'ISO-18',
      source: '6.6',
      rule: 'reagents and control material were in date when they were used',
      kind: 'data',
      check: noRows({
        what: 'results with their reagent and runs of control material',
        of: `
          select (select count(*) from laboratory.lab_results where tenant_id = $1 and reagent_batch_id is not null)::int
            + (select count(*) from laboratory.qc_results where tenant_id = $1 and qc_lot_id is not null)::int as n`,
        offending: `
          select r.id::text as offender
          from laboratory.lab_results r
          join inventory.batches b on b.tenant_id = r.tenant_id and b.id = r.reagent_batch_id
          where r.tenant_id = $1 and r.status not in ('cancelled', 'entered_in_error')
            and (b.expiry_on < (r.resulted_at at time zone 'UTC')::date or b.recalled_at < r.resulted_at)
          union all
          select q.id::text
          from laboratory.qc_results q
          join laboratory.qc_lots l on l.tenant_id = q.tenant_id and l.id = q.qc_lot_id
          where q.tenant_id = $1 and l.expires_on < (q.run_at at time zone 'UTC')::date`,
      }),
    },
    {
      id: 'ISO-19',
      source: '6.2.3',
      rule: 'whoever released a result held a verified privilege on that day',
      kind: 'data',
      check: noRows({
        what: 'released results',
        of: `select count(*)::int as n from laboratory.lab_results where tenant_id = $1 and status in ${released}`,
        offending: `
          select distinct r.authorised_by::text as offender
          from laboratory.lab_results r
          where r.tenant_id = $1 and r.status in ${released} and not exists (
            select from workforce.staff_credentials c
            where c.tenant_id = r.tenant_id and c.staff_id = r.authorised_by and c.kind = 'privilege' and c.status in ('verified', 'expired')
              and c.verified_at <= r.authorised_at and c.valid_during @> (r.authorised_at at time zone 'UTC')::date
          )`,
      }),
    },
    {
      id: 'ISO-20',
      source: '7.6',
      rule: 'the information system of the laboratory keeps roles apart, logs changes and knows its own history',
      kind: 'catalogue',
      check: all(
        noFinding(['rls-enabled', 'rls-forced', 'tenant-policy'], inLaboratory),
        noFinding(['audit-coverage'], (table) => inLaboratory(table) && hasClass('phi')(table)),
        hasColumns({
          'core.schema_migrations': ['version!', 'checksum!', 'applied_by!', 'applied_at!', 'tool_version!'],
          'auth.user_roles': ['user_id!', 'role_id!', 'valid_from!'],
        }),
        hasMove('laboratory.lab_results', 'verified', 'final'),
      ),
    },
    {
      id: 'ISO-21',
      source: '8.4',
      rule: 'records of the laboratory belong to the class of medical records, which is kept for its period',
      kind: 'data',
      check: all(
        everyTable(
          'tables of health data in the laboratory',
          (table) => inLaboratory(table) && hasClass('phi')(table),
          (table) => (tagOf(table, 'retention') === 'medical_record' ? null : 'is not kept as a medical record'),
        ),
        hasCheck('compliance.retention_policies', /medical_record/, /keep_for/, /3 years/),
        noRows({
          what: 'retention policies for medical records',
          of: `select count(*)::int as n from compliance.retention_policies where class = 'medical_record' and (tenant_id = $1 or tenant_id is null)`,
          offending: `
            select id::text as offender
            from compliance.retention_policies
            where class = 'medical_record' and (tenant_id = $1 or tenant_id is null) and keep_for < interval '3 years'
            union all
            select e.id::text
            from compliance.erasure_log e
            where e.tenant_id = $1 and e.schema_name = 'laboratory' and e.request_id is null and not exists (
              select from compliance.retention_policies p where p.id = e.policy_id and p.class = 'medical_record'
            )`,
        }),
      ),
    },
    {
      id: 'ISO-22',
      source: '7.3.5',
      rule: 'the reference interval of a result was approved, and valid for the day, the age and the sex',
      kind: 'data',
      check: noRows({
        what: 'released results with an interval',
        of: `select count(*)::int as n from laboratory.lab_results where tenant_id = $1 and reference_range_id is not null and status in ${released}`,
        offending: `
          select r.id::text as offender
          from laboratory.lab_results r
          join laboratory.reference_ranges g on g.id = r.reference_range_id
          join patient.patients p on p.tenant_id = r.tenant_id and p.id = r.patient_id
          cross join lateral (select (r.resulted_at at time zone 'UTC')::date as day) at
          where r.tenant_id = $1 and r.status in ${released} and (
            g.approved_by is null or g.test_id <> r.test_id or not g.valid_during @> at.day or g.sex not in ('any', p.sex)
            or case when p.birth_date is null then not (lower_inf(g.age_days) and upper_inf(g.age_days)) else not g.age_days @> (at.day - p.birth_date) end
          )`,
      }),
    },
  ],
}
