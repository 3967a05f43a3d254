import { constraintRefuses, definedAndTried, refusesOnRow } from '../attempts.ts'
import { all, hasCheck, hasColumns, hasTrigger, hasUnique, noRows } from '../checks.ts'
import type { RuleFamily } from '../rule.ts'

const anyStaff = `(select s.id from workforce.staff s where s.tenant_id = $1 order by s.id limit 1)`

/** NABH accreditation of hospitals. */
export const nabh: RuleFamily = {
  name: 'nabh',
  title: 'NABH hospital standards (chapters of the 5th edition)',
  unconfirmedClauses: true,
  rules: [
    {
      id: 'NBH-01',
      source: 'AAC',
      rule: 'every patient has a number of their own',
      kind: 'catalogue',
      check: all(
        hasUnique('patient.patients', ['tenant_id', 'mrn']),
        hasColumns({ 'patient.patients': ['mrn!', 'given_name!', 'sex!'] }),
      ),
    },
    {
      id: 'NBH-02',
      source: 'AAC',
      rule: 'assessments that have a term were made within it',
      kind: 'data',
      check: noRows({
        what: 'assessments with a term',
        of: `select count(*)::int as n from clinical.clinical_assessments where tenant_id = $1 and due_at is not null`,
        offending: `
          select id::text as offender
          from clinical.clinical_assessments
          where tenant_id = $1 and due_at is not null
            and ((status = 'in_progress' and due_at < now()) or (status in ('completed', 'amended') and assessed_at > due_at))`,
      }),
    },
    {
      id: 'NBH-03',
      source: 'AAC',
      rule: 'a final discharge summary has diagnosis, procedures, course, condition, medicines, follow-up and advice',
      kind: 'data',
      check: all(
        hasCheck('clinical.discharge_summaries', /final_diagnoses/, /course_enc/, /condition_at_discharge/),
        noRows({
          what: 'final discharge summaries',
          of: `select count(*)::int as n from clinical.discharge_summaries where tenant_id = $1 and status = 'final'`,
          // who died or went away gets no advice
          offending: `
            select d.id::text as offender
            from clinical.discharge_summaries d
            where d.tenant_id = $1 and d.status = 'final' and (
              jsonb_array_length(d.final_diagnoses) = 0 or d.course_enc is null or d.condition_at_discharge is null
              or (d.discharge_kind not in ('death', 'absconded') and (d.advice_enc is null or jsonb_array_length(d.follow_up) = 0))
              or (jsonb_array_length(d.procedures) = 0 and exists (
                select from clinical.procedures p
                where p.tenant_id = d.tenant_id and p.encounter_id = d.encounter_id and p.kind = 'surgery' and p.status = 'completed'
              ))
              or (jsonb_array_length(d.medications) = 0 and exists (
                select from medication.prescriptions p
                where p.tenant_id = d.tenant_id and p.encounter_id = d.encounter_id and p.context = 'discharge' and p.status in ('active', 'partially_dispensed', 'completed')
              ))
            )`,
        }),
      ),
    },
    {
      id: 'NBH-04',
      source: 'AAC',
      rule: 'an accepted handover was read back for every patient on it',
      kind: 'data',
      check: noRows({
        what: 'accepted handovers',
        of: `select count(*)::int as n from tasking.handovers where tenant_id = $1 and status::text in ('accepted', 'completed')`,
        offending: `
          select h.id::text as offender
          from tasking.handovers h
          where h.tenant_id = $1 and h.status::text in ('accepted', 'completed') and (
            h.accepted_at is null or h.from_user_id = h.to_user_id
            or exists (select from tasking.handover_patients p where p.tenant_id = h.tenant_id and p.handover_id = h.id and p.read_back_at is null)
          )`,
      }),
    },
    {
      id: 'NBH-05',
      source: 'COP',
      rule: 'blood was given with consent and crossmatch (or an emergency release), two checkers, vital signs and, when stopped, a form',
      kind: 'data',
      check: noRows({
        what: 'transfusions',
        of: `select count(*)::int as n from blood_bank.blood_issues where tenant_id = $1 and started_at is not null`,
        offending: `
          select i.id::text as offender
          from blood_bank.blood_issues i
          join blood_bank.blood_requests r on r.tenant_id = i.tenant_id and r.id = i.request_id
          where i.tenant_id = $1 and i.started_at is not null and (
            num_nulls(i.bedside_check1_by, i.bedside_check2_by, i.pre_vitals) > 0 or i.bedside_check1_by = i.bedside_check2_by
            or (i.status = 'completed' and i.post_vitals is null)
            or (i.status = 'stopped' and not exists (
              select from blood_bank.transfusion_reactions t where t.tenant_id = i.tenant_id and t.issue_id = i.id
            ))
            or (r.emergency_release_by is null and not exists (
              select from blood_bank.crossmatches c
              where c.tenant_id = i.tenant_id and c.id = i.crossmatch_id and c.component_id = i.component_id and c.patient_id = i.patient_id
                and c.result in ('compatible', 'least_incompatible')
            ))
            or (r.emergency_release_by is null and not exists (
              select from compliance.consents c
              where c.tenant_id = r.tenant_id and c.id = r.consent_id and c.patient_id = i.patient_id and c.kind = 'transfusion'
                and c.decision = 'permit' and c.given_at <= i.started_at and (c.withdrawn_at is null or c.withdrawn_at > i.started_at)
            ))
          )`,
      }),
    },
    {
      id: 'NBH-06',
      source: 'COP',
      rule: 'surgery has a consent, is signed in before time-out and out after it, and its counts are recorded',
      kind: 'catalogue',
      check: definedAndTried(
        all(
          hasCheck('clinical.procedures', /surgery/, /consent_id/),
          hasCheck('clinical.procedures', /sign_in_at/, /time_out_at/),
          hasCheck('clinical.procedures', /sign_out_at/, /time_out_at/),
          hasCheck('clinical.procedures', /incision_at/, /time_out_at/),
          hasCheck('clinical.procedures', /surgery/, /counts_correct/),
        ),
        constraintRefuses(
          ...[
            ['surgery without consent', 'consent_id = null'],
            [
              'time-out before sign-in',
              `time_out_at = sign_in_at - interval '1 minute', incision_at = null, closure_at = null`,
            ],
            ['sign-out before time-out', `sign_out_at = time_out_at - interval '1 minute'`],
            ['incision before time-out', `incision_at = time_out_at - interval '1 minute'`],
            ['completed surgery without counts', 'counts_correct = null'],
            ['completed surgery without sign-out', 'sign_out_at = null'],
          ].map(([attempt = '', set = '']) => ({
            attempt,
            table: 'clinical.procedures',
            where: `kind = 'surgery' and status = 'completed'`,
            set,
          })),
        ),
      ),
    },
    {
      id: 'NBH-07',
      source: 'COP',
      rule: 'a medico-legal case has its number, and the police were told',
      kind: 'data',
      check: noRows({
        what: 'medico-legal cases',
        of: `select count(*)::int as n from clinical.encounters where tenant_id = $1 and is_mlc and status not in ('cancelled', 'entered_in_error')`,
        offending: `
          select e.id::text as offender
          from clinical.encounters e
          where e.tenant_id = $1 and e.is_mlc and e.status not in ('cancelled', 'entered_in_error')
            and (num_nulls(e.mlc_number, e.police_intimated_at) > 0 or exists (
              select from clinical.encounters o where o.tenant_id = e.tenant_id and o.mlc_number = e.mlc_number and o.id <> e.id and o.is_mlc
            ))`,
      }),
    },
    {
      id: 'NBH-08',
      source: 'MOM',
      rule: "a prescriber's registration was valid on the day of the prescription",
      kind: 'data',
      check: noRows({
        what: 'signed prescriptions',
        of: `select count(*)::int as n from medication.prescriptions where tenant_id = $1 and signed_at is not null`,
        offending: `
          select p.id::text as offender
          from medication.prescriptions p
          left join workforce.doctors d on d.tenant_id = p.tenant_id and d.id = p.doctor_id
          where p.tenant_id = $1 and p.signed_at is not null
            and (d.registration_no is null or d.registration_valid_to < (p.signed_at at time zone 'UTC')::date)`,
      }),
    },
    {
      id: 'NBH-09',
      source: 'MOM',
      rule: 'a high-alert drug is checked by a second person when it is dispensed and when it is given',
      kind: 'behaviour',
      check: refusesOnRow(
        {
          attempt: 'a dose of a high-alert drug without a witness',
          row: `
            select a.id
            from medication.medication_administrations a
            join medication.prescription_items i on i.tenant_id = a.tenant_id and i.id = a.prescription_item_id
            join medication.drugs d on d.id = i.drug_id and d.is_high_alert
            where a.tenant_id = $1 and a.status in ('due', 'given') order by a.status, a.id`,
          given: [
            'set local session_replication_role = replica',
            `update medication.medication_administrations
             set status = 'due', given_at = null, given_by = null, dose_given = null, dose_unit = null, witness_id = null
             where tenant_id = $1 and id = $2`,
            'set local session_replication_role = origin',
          ],
          statement: `
            update medication.medication_administrations
            set status = 'given', given_at = now(), given_by = ${anyStaff}, dose_given = 1, dose_unit = 'mg'
            where tenant_id = $1 and id = $2`,
          with: ['IM403'],
        },
        ...[
          ['nobody else', 'checked_by = null'],
          ['the one who prepared it', 'checked_by = prepared_by'],
        ].map(([by = '', set = '']) => ({
          attempt: `a high-alert drug handed over, checked by ${by}`,
          row: `
            select s.id
            from medication.dispenses s
            where s.tenant_id = $1 and s.status in ('ready', 'completed') and s.kind <> 'return' and s.prepared_by is not null and exists (
              select from medication.dispense_items l
              join inventory.items i on i.tenant_id = l.tenant_id and i.id = l.item_id
              join medication.drugs d on d.id = i.drug_id and d.is_high_alert
              where l.tenant_id = s.tenant_id and l.dispense_id = s.id
            ) order by s.id`,
          given: [
            'set local session_replication_role = replica',
            `update medication.dispenses set status = 'ready', handed_over_at = null where tenant_id = $1 and id = $2`,
            'set local session_replication_role = origin',
          ],
          statement: `update medication.dispenses set status = 'completed', handed_over_at = now(), ${set} where tenant_id = $1 and id = $2`,
          with: ['IM403'],
        })),
      ),
    },
    {
      id: 'NBH-10',
      source: 'MOM',
      rule: 'the register of controlled drugs ends with what is in stock, and names the patient of every dispensed line',
      kind: 'data',
      check: noRows({
        what: 'entries of the register of controlled drugs',
        of: `select count(*)::int as n from medication.controlled_drug_register where tenant_id = $1`,
        offending: `
          select 'store ' || coalesce(r.store_location_id, s.store_location_id) || ' item ' || coalesce(r.item_id, s.item_id) as offender
          from (
            select distinct on (store_location_id, item_id) store_location_id, item_id, balance
            from medication.controlled_drug_register
            where tenant_id = $1
            order by store_location_id, item_id, moved_at desc, movement_id desc
          ) r
          full join (
            select b.store_location_id, b.item_id, sum(b.on_hand) as on_hand
            from inventory.stock_balances b
            join inventory.items i on i.tenant_id = b.tenant_id and i.id = b.item_id
            join medication.drugs d on d.id = i.drug_id and d.schedule in ('H1', 'X', 'NDPS')
            where b.tenant_id = $1
            group by b.store_location_id, b.item_id
          ) s on s.store_location_id = r.store_location_id and s.item_id = r.item_id
          where coalesce(r.balance, 0) <> coalesce(s.on_hand, 0)
          union all
          select 'movement ' || movement_id
          from medication.controlled_drug_register
          where tenant_id = $1 and (balance < 0 or (dispense_number is not null and patient_id is null))`,
      }),
    },
    {
      id: 'NBH-11',
      source: 'MOM',
      rule: 'no expired or recalled batch was dispensed or given',
      kind: 'data',
      check: noRows({
        what: 'dispensed lines and given doses with a batch',
        of: `
          select (select count(*) from medication.dispense_items where tenant_id = $1 and quantity > 0)::int
            + (select count(*) from medication.medication_administrations where tenant_id = $1 and status = 'given' and batch_id is not null)::int as n`,
        offending: `
          select 'line ' || l.id as offender
          from medication.dispense_items l
          join medication.dispenses d on d.tenant_id = l.tenant_id and d.id = l.dispense_id
          join inventory.batches b on b.tenant_id = l.tenant_id and b.id = l.batch_id
          where l.tenant_id = $1 and l.quantity > 0 and d.handed_over_at is not null
            and (least(l.expiry_on, b.expiry_on) < (d.handed_over_at at time zone 'UTC')::date or b.recalled_at < d.handed_over_at)
          union all
          select 'dose ' || a.id
          from medication.medication_administrations a
          join inventory.batches b on b.tenant_id = a.tenant_id and b.id = a.batch_id
          where a.tenant_id = $1 and a.status = 'given'
            and (b.expiry_on < (a.given_at at time zone 'UTC')::date or b.recalled_at < a.given_at)`,
      }),
    },
    {
      id: 'NBH-12',
      source: 'MOM',
      rule: 'medication errors and adverse reactions are looked into within a week, and acted on with their cause known',
      kind: 'data',
      check: noRows({
        what: 'reported medication errors and adverse drug reactions',
        of: `select count(*)::int as n from compliance.incidents where tenant_id = $1 and kind in ('medication_error', 'adr')`,
        offending: `
          select id::text as offender
          from compliance.incidents
          where tenant_id = $1 and kind in ('medication_error', 'adr') and (
            (status = 'reported' and reported_at < now() - interval '7 days')
            or (status in ('action_planned', 'action_done', 'closed') and root_cause is null)
          )`,
      }),
    },
    {
      id: 'NBH-13',
      source: 'PRE',
      rule: 'consent was explained by a named person in a language understood, and who pays for a planned stay got an estimate',
      kind: 'data',
      check: noRows({
        what: 'consents to procedures and planned stays',
        of: `
          select (select count(*) from compliance.consents where tenant_id = $1 and kind in ('surgery', 'anaesthesia', 'transfusion', 'high_risk') and status <> 'draft')::int
            + (select count(*) from clinical.admissions where tenant_id = $1 and admission_type = 'elective' and admitted_at is not null)::int as n`,
        offending: `
          select 'consent ' || c.id as offender
          from compliance.consents c
          where c.tenant_id = $1 and c.kind in ('surgery', 'anaesthesia', 'transfusion', 'high_risk') and c.status <> 'draft'
            and num_nulls(c.language, c.explained_by, c.document_id) > 0
          union all
          select 'admission ' || a.id
          from clinical.admissions a
          join clinical.encounters e on e.tenant_id = a.tenant_id and e.id = a.encounter_id
          where a.tenant_id = $1 and a.admission_type = 'elective' and a.admitted_at is not null and e.payer_class = 'self' and not exists (
            select from billing.accounts b
            join billing.invoices i on i.tenant_id = b.tenant_id and i.account_id = b.id and i.kind = 'proforma'
            where b.tenant_id = e.tenant_id and b.encounter_id = e.id
          )`,
      }),
    },
    {
      id: 'NBH-14',
      source: 'IPC',
      rule: 'an infection names the stay that it is counted against, whose days are known',
      kind: 'data',
      check: noRows({
        what: 'reported infections of care',
        of: `select count(*)::int as n from compliance.incidents where tenant_id = $1 and kind = 'hai'`,
        offending: `
          select i.id::text as offender
          from compliance.incidents i
          where i.tenant_id = $1 and i.kind = 'hai' and i.status <> 'rejected' and not exists (
            select from facility.bed_allocations b
            where b.tenant_id = i.tenant_id and b.encounter_id = i.encounter_id and b.patient_id = i.patient_id and lower(b.period) <= i.occurred_at
          )`,
      }),
    },
    {
      id: 'NBH-15',
      source: 'PSQ',
      rule: 'a sentinel event has its root cause and its actions within 45 days, and no action is overdue',
      kind: 'data',
      check: all(
        hasCheck('compliance.incidents', /sentinel/, /root_cause/),
        noRows({
          what: 'sentinel events',
          of: `select count(*)::int as n from compliance.incidents where tenant_id = $1 and kind = 'sentinel'`,
          offending: `
            select id::text as offender
            from compliance.incidents
            where tenant_id = $1 and kind = 'sentinel' and status <> 'rejected' and (
              (status not in ('reported', 'under_review') and root_cause is null)
              or (reported_at < now() - interval '45 days' and num_nulls(root_cause, capa_owner_id, coalesce(corrective_action, preventive_action)) > 0)
              or (capa_due_on < current_date and capa_done_on is null)
            )`,
        }),
      ),
    },
    {
      id: 'NBH-16',
      source: 'FMS',
      rule: 'no device in use is overdue for calibration or maintenance',
      kind: 'data',
      check: noRows({
        what: 'devices in use',
        of: `select count(*)::int as n from device.devices where tenant_id = $1 and deleted_at is null and status = 'active'`,
        offending: `
          select asset_tag as offender
          from device.devices
          where tenant_id = $1 and deleted_at is null and status = 'active' and least(calibration_due_on, pm_due_on) < current_date`,
      }),
    },
    {
      id: 'NBH-17',
      source: 'HRM',
      rule: 'credentials of those who treat were verified before, and valid when, they did',
      kind: 'data',
      check: noRows({
        what: 'signed records, prescriptions, doses and operations',
        of: `
          select (select count(*) from clinical.medical_records where tenant_id = $1 and signed_at is not null)::int
            + (select count(*) from medication.prescriptions where tenant_id = $1 and signed_at is not null)::int
            + (select count(*) from medication.medication_administrations where tenant_id = $1 and status = 'given')::int
            + (select count(*) from clinical.procedures where tenant_id = $1 and sign_in_at is not null and kind = 'surgery')::int as n`,
        offending: `
          select distinct act.staff_id || ' ' || act.asks as offender
          from (
            select r.signed_by as staff_id, 'registration' as asks, r.signed_at as at
            from clinical.medical_records r
            where r.tenant_id = $1 and r.signed_at is not null
            union all
            select d.staff_id, 'registration', p.signed_at
            from medication.prescriptions p
            join workforce.doctors d on d.tenant_id = p.tenant_id and d.id = p.doctor_id
            where p.tenant_id = $1 and p.signed_at is not null
            union all
            select a.given_by, 'registration', a.given_at
            from medication.medication_administrations a
            where a.tenant_id = $1 and a.status = 'given'
            union all
            select d.staff_id, 'privilege', p.sign_in_at
            from clinical.procedures p
            left join workforce.doctors d on d.tenant_id = p.tenant_id and d.id = p.primary_surgeon_id
            where p.tenant_id = $1 and p.sign_in_at is not null and p.kind = 'surgery'
          ) act
          where not exists (
            select from workforce.staff_credentials c
            where c.tenant_id = $1 and c.staff_id = act.staff_id and c.kind = act.asks and c.status in ('verified', 'expired')
              and c.verified_at <= act.at and c.valid_during @> (act.at at time zone 'UTC')::date
          )`,
      }),
    },
    {
      id: 'NBH-18',
      source: 'IMS',
      rule: 'a signed record names who signed it and when, and changes by an addendum with its reason only',
      kind: 'catalogue',
      check: definedAndTried(
        all(
          hasColumns({ 'clinical.medical_records': ['author_id!', 'content_hash!', 'amends_id', 'created_at!'] }),
          hasCheck('clinical.medical_records', /signed_at/, /signed_by/),
          hasCheck('clinical.medical_records', /amends_id/, /amendment_reason/),
          hasTrigger('clinical.medical_records', 'core.enforce_transition'),
        ),
        all(
          constraintRefuses(
            {
              attempt: 'a signed record without the time',
              table: 'clinical.medical_records',
              where: `status = 'signed'`,
              set: 'signed_at = null',
            },
            {
              attempt: 'a record signed by nobody',
              table: 'clinical.medical_records',
              where: `status = 'signed'`,
              set: 'signed_by = null',
            },
            {
              attempt: 'an addendum without a reason',
              table: 'clinical.medical_records',
              where: 'true',
              set: 'amends_id = id, amendment_reason = null',
            },
          ),
          refusesOnRow({
            attempt: 'another content of a signed record',
            row: `select id from clinical.medical_records where tenant_id = $1 and status = 'signed' order by id`,
            statement: `update clinical.medical_records set content_hash = sha256('another'), content_enc = 'another' where tenant_id = $1 and id = $2`,
            with: ['IM006'],
          }),
        ),
      ),
    },
    {
      id: 'NBH-19',
      source: 'IMS',
      rule: 'the record of a stay is complete within the set hours after the patient has left',
      kind: 'data',
      check: noRows({
        what: 'ended stays',
        of: `select count(*)::int as n from clinical.admissions where tenant_id = $1 and physically_left_at is not null`,
        offending: `
          select a.id::text as offender
          from clinical.admissions a
          where a.tenant_id = $1
            and a.physically_left_at < now() - make_interval(hours => coalesce((core.setting('clinical.record_complete_hours') #>> '{}')::int, 72))
            and (
              not exists (
                select from clinical.discharge_summaries d
                where d.tenant_id = a.tenant_id and d.encounter_id = a.encounter_id and d.status = 'final'
              )
              and not exists (
                select from clinical.medical_records r
                where r.tenant_id = a.tenant_id and r.encounter_id = a.encounter_id and r.status = 'signed'
                  and r.type_code = core.setting('clinical.discharge_forms') ->> a.discharge_kind
              )
              or exists (
                select from clinical.medical_records r
                where r.tenant_id = a.tenant_id and r.encounter_id = a.encounter_id and r.status = 'draft'
              )
            )`,
      }),
    },
    {
      id: 'NBH-20',
      source: 'IMS',
      rule: 'access goes by role, and nobody who has left has an active account or session',
      kind: 'data',
      check: noRows({
        what: 'accounts',
        of: `select count(*)::int as n from auth.users where tenant_id = $1 and deleted_at is null`,
        offending: `
          select 'left: ' || s.id as offender
          from workforce.staff s
          join auth.users u on u.tenant_id = s.tenant_id and u.id = s.user_id
          where s.tenant_id = $1 and s.status = 'left' and (u.status = 'active' or exists (
            select from auth.sessions x
            where x.tenant_id = u.tenant_id and x.user_id = u.id and x.revoked_at is null and x.expires_at > now()
          ))
          union all
          select 'without a role: ' || u.id
          from auth.users u
          where u.tenant_id = $1 and u.deleted_at is null and u.status = 'active' and not exists (
            select from auth.user_roles r
            where r.tenant_id = u.tenant_id and r.user_id = u.id and r.valid_from <= now() and (r.valid_to is null or r.valid_to > now())
          )`,
      }),
    },
  ],
}
