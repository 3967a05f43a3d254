-- core.fhir_status_map: the FHIR R4 code of every state of every machine whose table is a FHIR resource with a required
-- binding. A resource is rendered from this table, so a new state of a mapped machine needs a row here; a test compares
-- both. Machines of modules that are not installed are listed all the same: they are names, not references.
--
-- Not a state, so not here: a slot whose last place is held is rendered as busy-tentative; an overdue task carries a flag
-- beside its code; a preliminary document has docStatus preliminary as well; the decision on a claim goes into
-- ClaimResponse.outcome and adjudication.reason.

create table core.fhir_status_map (
  machine text not null,
  state text not null,
  element text not null,
  code_system text not null,
  code text not null,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  constraint fhir_status_map_pkey primary key (machine, state),
  constraint fhir_status_map_element_has_path check (element ~ '^[A-Z][A-Za-z]+(\.[a-z][A-Za-z]+)+$'),
  constraint fhir_status_map_code_system_is_url check (code_system ~ '^http://'),
  constraint fhir_status_map_code_form check (code ~ '^[a-z]+(-[a-z]+)*$')
);

comment on table core.fhir_status_map is 'class=reference;scope=global;owner=kernel;fhir=none;retention=reference;append_only=1;about=The FHIR R4 code of each state of each machine whose table is a FHIR resource.';
comment on column core.fhir_status_map.machine is 'class=reference;about=Machine of core.transition_rules, such as clinical.encounters.';
comment on column core.fhir_status_map.state is 'class=reference;about=State of the machine.';
comment on column core.fhir_status_map.element is 'class=reference;about=Element of the FHIR resource that carries the code, such as Encounter.status.';
comment on column core.fhir_status_map.code_system is 'class=reference;about=URL of the code system that the element is bound to.';
comment on column core.fhir_status_map.code is 'class=reference;about=The code.';
select core.comment_standard_columns('core.fhir_status_map');

create trigger fhir_status_map_append_only before update or delete on core.fhir_status_map
  for each row execute function core.refuse_change();
create trigger fhir_status_map_no_truncate before truncate on core.fhir_status_map
  for each statement execute function core.refuse_change();

insert into core.fhir_status_map (machine, state, element, code_system, code) values
  ('scheduling.appointments', 'proposed', 'Appointment.status', 'http://hl7.org/fhir/appointmentstatus', 'proposed'),
  ('scheduling.appointments', 'booked', 'Appointment.status', 'http://hl7.org/fhir/appointmentstatus', 'booked'),
  ('scheduling.appointments', 'confirmed', 'Appointment.status', 'http://hl7.org/fhir/appointmentstatus', 'booked'),
  ('scheduling.appointments', 'checked_in', 'Appointment.status', 'http://hl7.org/fhir/appointmentstatus', 'checked-in'),
  ('scheduling.appointments', 'in_consultation', 'Appointment.status', 'http://hl7.org/fhir/appointmentstatus', 'arrived'),
  ('scheduling.appointments', 'completed', 'Appointment.status', 'http://hl7.org/fhir/appointmentstatus', 'fulfilled'),
  ('scheduling.appointments', 'cancelled', 'Appointment.status', 'http://hl7.org/fhir/appointmentstatus', 'cancelled'),
  ('scheduling.appointments', 'rescheduled', 'Appointment.status', 'http://hl7.org/fhir/appointmentstatus', 'cancelled'),
  ('scheduling.appointments', 'left', 'Appointment.status', 'http://hl7.org/fhir/appointmentstatus', 'cancelled'),
  ('scheduling.appointments', 'no_show', 'Appointment.status', 'http://hl7.org/fhir/appointmentstatus', 'noshow'),

  ('scheduling.appointment_slots', 'open', 'Slot.status', 'http://hl7.org/fhir/slotstatus', 'free'),
  ('scheduling.appointment_slots', 'full', 'Slot.status', 'http://hl7.org/fhir/slotstatus', 'busy'),
  ('scheduling.appointment_slots', 'blocked', 'Slot.status', 'http://hl7.org/fhir/slotstatus', 'busy-unavailable'),
  ('scheduling.appointment_slots', 'cancelled', 'Slot.status', 'http://hl7.org/fhir/slotstatus', 'entered-in-error'),
  ('scheduling.appointment_slots', 'past', 'Slot.status', 'http://hl7.org/fhir/slotstatus', 'busy'),

  ('clinical.encounters', 'planned', 'Encounter.status', 'http://hl7.org/fhir/encounter-status', 'planned'),
  ('clinical.encounters', 'arrived', 'Encounter.status', 'http://hl7.org/fhir/encounter-status', 'arrived'),
  ('clinical.encounters', 'triaged', 'Encounter.status', 'http://hl7.org/fhir/encounter-status', 'triaged'),
  ('clinical.encounters', 'in_progress', 'Encounter.status', 'http://hl7.org/fhir/encounter-status', 'in-progress'),
  ('clinical.encounters', 'on_leave', 'Encounter.status', 'http://hl7.org/fhir/encounter-status', 'onleave'),
  ('clinical.encounters', 'finished', 'Encounter.status', 'http://hl7.org/fhir/encounter-status', 'finished'),
  ('clinical.encounters', 'cancelled', 'Encounter.status', 'http://hl7.org/fhir/encounter-status', 'cancelled'),
  ('clinical.encounters', 'entered_in_error', 'Encounter.status', 'http://hl7.org/fhir/encounter-status', 'entered-in-error'),

  ('clinical.conditions', 'unconfirmed', 'Condition.verificationStatus', 'http://terminology.hl7.org/CodeSystem/condition-ver-status', 'unconfirmed'),
  ('clinical.conditions', 'provisional', 'Condition.verificationStatus', 'http://terminology.hl7.org/CodeSystem/condition-ver-status', 'provisional'),
  ('clinical.conditions', 'differential', 'Condition.verificationStatus', 'http://terminology.hl7.org/CodeSystem/condition-ver-status', 'differential'),
  ('clinical.conditions', 'confirmed', 'Condition.verificationStatus', 'http://terminology.hl7.org/CodeSystem/condition-ver-status', 'confirmed'),
  ('clinical.conditions', 'refuted', 'Condition.verificationStatus', 'http://terminology.hl7.org/CodeSystem/condition-ver-status', 'refuted'),
  ('clinical.conditions', 'entered_in_error', 'Condition.verificationStatus', 'http://terminology.hl7.org/CodeSystem/condition-ver-status', 'entered-in-error'),

  ('clinical.procedures', 'preparation', 'Procedure.status', 'http://hl7.org/fhir/event-status', 'preparation'),
  ('clinical.procedures', 'in_progress', 'Procedure.status', 'http://hl7.org/fhir/event-status', 'in-progress'),
  ('clinical.procedures', 'not_done', 'Procedure.status', 'http://hl7.org/fhir/event-status', 'not-done'),
  ('clinical.procedures', 'stopped', 'Procedure.status', 'http://hl7.org/fhir/event-status', 'stopped'),
  ('clinical.procedures', 'completed', 'Procedure.status', 'http://hl7.org/fhir/event-status', 'completed'),
  ('clinical.procedures', 'entered_in_error', 'Procedure.status', 'http://hl7.org/fhir/event-status', 'entered-in-error'),

  ('clinical.vaccination_records', 'completed', 'Immunization.status', 'http://hl7.org/fhir/event-status', 'completed'),
  ('clinical.vaccination_records', 'not_done', 'Immunization.status', 'http://hl7.org/fhir/event-status', 'not-done'),
  ('clinical.vaccination_records', 'entered_in_error', 'Immunization.status', 'http://hl7.org/fhir/event-status', 'entered-in-error'),

  ('clinical.vaccination_records', 'planned', 'ImmunizationRecommendation.recommendation.forecastStatus', 'http://terminology.hl7.org/CodeSystem/immunization-recommendation-status', 'due'),

  ('clinical.service_requests', 'draft', 'ServiceRequest.status', 'http://hl7.org/fhir/request-status', 'draft'),
  ('clinical.service_requests', 'active', 'ServiceRequest.status', 'http://hl7.org/fhir/request-status', 'active'),
  ('clinical.service_requests', 'on_hold', 'ServiceRequest.status', 'http://hl7.org/fhir/request-status', 'on-hold'),
  ('clinical.service_requests', 'completed', 'ServiceRequest.status', 'http://hl7.org/fhir/request-status', 'completed'),
  ('clinical.service_requests', 'revoked', 'ServiceRequest.status', 'http://hl7.org/fhir/request-status', 'revoked'),
  ('clinical.service_requests', 'cancelled', 'ServiceRequest.status', 'http://hl7.org/fhir/request-status', 'revoked'),
  ('clinical.service_requests', 'entered_in_error', 'ServiceRequest.status', 'http://hl7.org/fhir/request-status', 'entered-in-error'),

  ('clinical.imaging_results', 'registered', 'DiagnosticReport.status', 'http://hl7.org/fhir/diagnostic-report-status', 'registered'),
  ('clinical.imaging_results', 'preliminary', 'DiagnosticReport.status', 'http://hl7.org/fhir/diagnostic-report-status', 'preliminary'),
  ('clinical.imaging_results', 'final', 'DiagnosticReport.status', 'http://hl7.org/fhir/diagnostic-report-status', 'final'),
  ('clinical.imaging_results', 'amended', 'DiagnosticReport.status', 'http://hl7.org/fhir/diagnostic-report-status', 'amended'),
  ('clinical.imaging_results', 'corrected', 'DiagnosticReport.status', 'http://hl7.org/fhir/diagnostic-report-status', 'corrected'),
  ('clinical.imaging_results', 'cancelled', 'DiagnosticReport.status', 'http://hl7.org/fhir/diagnostic-report-status', 'cancelled'),
  ('clinical.imaging_results', 'entered_in_error', 'DiagnosticReport.status', 'http://hl7.org/fhir/diagnostic-report-status', 'entered-in-error'),

  ('tasking.tasks', 'pending', 'Task.status', 'http://hl7.org/fhir/task-status', 'requested'),
  ('tasking.tasks', 'in_progress', 'Task.status', 'http://hl7.org/fhir/task-status', 'in-progress'),
  ('tasking.tasks', 'on_hold', 'Task.status', 'http://hl7.org/fhir/task-status', 'on-hold'),
  ('tasking.tasks', 'overdue', 'Task.status', 'http://hl7.org/fhir/task-status', 'in-progress'),
  ('tasking.tasks', 'completed', 'Task.status', 'http://hl7.org/fhir/task-status', 'completed'),
  ('tasking.tasks', 'verified', 'Task.status', 'http://hl7.org/fhir/task-status', 'completed'),
  ('tasking.tasks', 'reopened', 'Task.status', 'http://hl7.org/fhir/task-status', 'in-progress'),
  ('tasking.tasks', 'cancelled', 'Task.status', 'http://hl7.org/fhir/task-status', 'cancelled'),

  ('tasking.handovers', 'draft', 'Task.status', 'http://hl7.org/fhir/task-status', 'draft'),
  ('tasking.handovers', 'submitted', 'Task.status', 'http://hl7.org/fhir/task-status', 'requested'),
  ('tasking.handovers', 'accepted', 'Task.status', 'http://hl7.org/fhir/task-status', 'accepted'),
  ('tasking.handovers', 'rejected', 'Task.status', 'http://hl7.org/fhir/task-status', 'rejected'),
  ('tasking.handovers', 'completed', 'Task.status', 'http://hl7.org/fhir/task-status', 'completed'),
  ('tasking.handovers', 'cancelled', 'Task.status', 'http://hl7.org/fhir/task-status', 'cancelled'),

  ('ehr.documents', 'current', 'DocumentReference.status', 'http://hl7.org/fhir/document-reference-status', 'current'),
  ('ehr.documents', 'superseded', 'DocumentReference.status', 'http://hl7.org/fhir/document-reference-status', 'superseded'),
  ('ehr.documents', 'entered_in_error', 'DocumentReference.status', 'http://hl7.org/fhir/document-reference-status', 'entered-in-error'),
  ('ehr.documents', 'preliminary', 'DocumentReference.status', 'http://hl7.org/fhir/document-reference-status', 'current'),
  ('ehr.documents', 'discarded', 'DocumentReference.status', 'http://hl7.org/fhir/document-reference-status', 'entered-in-error'),

  ('compliance.consents', 'draft', 'Consent.status', 'http://hl7.org/fhir/consent-state-codes', 'draft'),
  ('compliance.consents', 'active', 'Consent.status', 'http://hl7.org/fhir/consent-state-codes', 'active'),
  ('compliance.consents', 'rejected', 'Consent.status', 'http://hl7.org/fhir/consent-state-codes', 'rejected'),
  ('compliance.consents', 'withdrawn', 'Consent.status', 'http://hl7.org/fhir/consent-state-codes', 'inactive'),
  ('compliance.consents', 'superseded', 'Consent.status', 'http://hl7.org/fhir/consent-state-codes', 'inactive'),
  ('compliance.consents', 'expired', 'Consent.status', 'http://hl7.org/fhir/consent-state-codes', 'inactive'),

  ('laboratory.samples', 'planned', 'Specimen.status', 'http://hl7.org/fhir/specimen-status', 'unavailable'),
  ('laboratory.samples', 'collected', 'Specimen.status', 'http://hl7.org/fhir/specimen-status', 'unavailable'),
  ('laboratory.samples', 'in_transit', 'Specimen.status', 'http://hl7.org/fhir/specimen-status', 'unavailable'),
  ('laboratory.samples', 'received', 'Specimen.status', 'http://hl7.org/fhir/specimen-status', 'available'),
  ('laboratory.samples', 'accessioned', 'Specimen.status', 'http://hl7.org/fhir/specimen-status', 'available'),
  ('laboratory.samples', 'aliquoted', 'Specimen.status', 'http://hl7.org/fhir/specimen-status', 'available'),
  ('laboratory.samples', 'in_process', 'Specimen.status', 'http://hl7.org/fhir/specimen-status', 'available'),
  ('laboratory.samples', 'tested', 'Specimen.status', 'http://hl7.org/fhir/specimen-status', 'available'),
  ('laboratory.samples', 'stored', 'Specimen.status', 'http://hl7.org/fhir/specimen-status', 'available'),
  ('laboratory.samples', 'rejected', 'Specimen.status', 'http://hl7.org/fhir/specimen-status', 'unsatisfactory'),
  ('laboratory.samples', 'lost', 'Specimen.status', 'http://hl7.org/fhir/specimen-status', 'unavailable'),
  ('laboratory.samples', 'disposed', 'Specimen.status', 'http://hl7.org/fhir/specimen-status', 'unavailable'),
  ('laboratory.samples', 'cancelled', 'Specimen.status', 'http://hl7.org/fhir/specimen-status', 'entered-in-error'),

  ('laboratory.lab_results', 'registered', 'Observation.status', 'http://hl7.org/fhir/observation-status', 'registered'),
  ('laboratory.lab_results', 'preliminary', 'Observation.status', 'http://hl7.org/fhir/observation-status', 'preliminary'),
  ('laboratory.lab_results', 'verified', 'Observation.status', 'http://hl7.org/fhir/observation-status', 'preliminary'),
  ('laboratory.lab_results', 'final', 'Observation.status', 'http://hl7.org/fhir/observation-status', 'final'),
  ('laboratory.lab_results', 'corrected', 'Observation.status', 'http://hl7.org/fhir/observation-status', 'corrected'),
  ('laboratory.lab_results', 'superseded', 'Observation.status', 'http://hl7.org/fhir/observation-status', 'amended'),
  ('laboratory.lab_results', 'cancelled', 'Observation.status', 'http://hl7.org/fhir/observation-status', 'cancelled'),
  ('laboratory.lab_results', 'entered_in_error', 'Observation.status', 'http://hl7.org/fhir/observation-status', 'entered-in-error'),

  ('laboratory.diagnostic_reports', 'registered', 'DiagnosticReport.status', 'http://hl7.org/fhir/diagnostic-report-status', 'registered'),
  ('laboratory.diagnostic_reports', 'partial', 'DiagnosticReport.status', 'http://hl7.org/fhir/diagnostic-report-status', 'partial'),
  ('laboratory.diagnostic_reports', 'final', 'DiagnosticReport.status', 'http://hl7.org/fhir/diagnostic-report-status', 'final'),
  ('laboratory.diagnostic_reports', 'amended', 'DiagnosticReport.status', 'http://hl7.org/fhir/diagnostic-report-status', 'amended'),
  ('laboratory.diagnostic_reports', 'corrected', 'DiagnosticReport.status', 'http://hl7.org/fhir/diagnostic-report-status', 'corrected'),
  ('laboratory.diagnostic_reports', 'cancelled', 'DiagnosticReport.status', 'http://hl7.org/fhir/diagnostic-report-status', 'cancelled'),
  ('laboratory.diagnostic_reports', 'entered_in_error', 'DiagnosticReport.status', 'http://hl7.org/fhir/diagnostic-report-status', 'entered-in-error'),

  ('blood_bank.blood_components', 'available', 'BiologicallyDerivedProduct.status', 'http://hl7.org/fhir/product-status', 'available'),
  ('blood_bank.blood_components', 'quarantined', 'BiologicallyDerivedProduct.status', 'http://hl7.org/fhir/product-status', 'unavailable'),
  ('blood_bank.blood_components', 'reserved', 'BiologicallyDerivedProduct.status', 'http://hl7.org/fhir/product-status', 'unavailable'),
  ('blood_bank.blood_components', 'crossmatched', 'BiologicallyDerivedProduct.status', 'http://hl7.org/fhir/product-status', 'unavailable'),
  ('blood_bank.blood_components', 'issued', 'BiologicallyDerivedProduct.status', 'http://hl7.org/fhir/product-status', 'unavailable'),
  ('blood_bank.blood_components', 'transfused', 'BiologicallyDerivedProduct.status', 'http://hl7.org/fhir/product-status', 'unavailable'),
  ('blood_bank.blood_components', 'returned', 'BiologicallyDerivedProduct.status', 'http://hl7.org/fhir/product-status', 'unavailable'),
  ('blood_bank.blood_components', 'split', 'BiologicallyDerivedProduct.status', 'http://hl7.org/fhir/product-status', 'unavailable'),
  ('blood_bank.blood_components', 'expired', 'BiologicallyDerivedProduct.status', 'http://hl7.org/fhir/product-status', 'unavailable'),
  ('blood_bank.blood_components', 'discarded', 'BiologicallyDerivedProduct.status', 'http://hl7.org/fhir/product-status', 'unavailable'),

  ('medication.prescription_items', 'draft', 'MedicationRequest.status', 'http://hl7.org/fhir/CodeSystem/medicationrequest-status', 'draft'),
  ('medication.prescription_items', 'active', 'MedicationRequest.status', 'http://hl7.org/fhir/CodeSystem/medicationrequest-status', 'active'),
  ('medication.prescription_items', 'on_hold', 'MedicationRequest.status', 'http://hl7.org/fhir/CodeSystem/medicationrequest-status', 'on-hold'),
  ('medication.prescription_items', 'completed', 'MedicationRequest.status', 'http://hl7.org/fhir/CodeSystem/medicationrequest-status', 'completed'),
  ('medication.prescription_items', 'stopped', 'MedicationRequest.status', 'http://hl7.org/fhir/CodeSystem/medicationrequest-status', 'stopped'),
  ('medication.prescription_items', 'cancelled', 'MedicationRequest.status', 'http://hl7.org/fhir/CodeSystem/medicationrequest-status', 'cancelled'),
  ('medication.prescription_items', 'entered_in_error', 'MedicationRequest.status', 'http://hl7.org/fhir/CodeSystem/medicationrequest-status', 'entered-in-error'),

  ('medication.dispenses', 'preparing', 'MedicationDispense.status', 'http://terminology.hl7.org/CodeSystem/medicationdispense-status', 'preparation'),
  ('medication.dispenses', 'ready', 'MedicationDispense.status', 'http://terminology.hl7.org/CodeSystem/medicationdispense-status', 'in-progress'),
  ('medication.dispenses', 'completed', 'MedicationDispense.status', 'http://terminology.hl7.org/CodeSystem/medicationdispense-status', 'completed'),
  ('medication.dispenses', 'cancelled', 'MedicationDispense.status', 'http://terminology.hl7.org/CodeSystem/medicationdispense-status', 'cancelled'),
  ('medication.dispenses', 'returned', 'MedicationDispense.status', 'http://terminology.hl7.org/CodeSystem/medicationdispense-status', 'stopped'),

  ('medication.medication_administrations', 'due', 'MedicationAdministration.status', 'http://terminology.hl7.org/CodeSystem/medication-admin-status', 'in-progress'),
  ('medication.medication_administrations', 'given', 'MedicationAdministration.status', 'http://terminology.hl7.org/CodeSystem/medication-admin-status', 'completed'),
  ('medication.medication_administrations', 'missed', 'MedicationAdministration.status', 'http://terminology.hl7.org/CodeSystem/medication-admin-status', 'not-done'),
  ('medication.medication_administrations', 'refused', 'MedicationAdministration.status', 'http://terminology.hl7.org/CodeSystem/medication-admin-status', 'not-done'),
  ('medication.medication_administrations', 'cancelled', 'MedicationAdministration.status', 'http://terminology.hl7.org/CodeSystem/medication-admin-status', 'not-done'),
  ('medication.medication_administrations', 'held', 'MedicationAdministration.status', 'http://terminology.hl7.org/CodeSystem/medication-admin-status', 'on-hold'),
  ('medication.medication_administrations', 'entered_in_error', 'MedicationAdministration.status', 'http://terminology.hl7.org/CodeSystem/medication-admin-status', 'entered-in-error'),

  ('billing.charge_items', 'planned', 'ChargeItem.status', 'http://hl7.org/fhir/chargeitem-status', 'planned'),
  ('billing.charge_items', 'billable', 'ChargeItem.status', 'http://hl7.org/fhir/chargeitem-status', 'billable'),
  ('billing.charge_items', 'billed', 'ChargeItem.status', 'http://hl7.org/fhir/chargeitem-status', 'billed'),
  ('billing.charge_items', 'not_billable', 'ChargeItem.status', 'http://hl7.org/fhir/chargeitem-status', 'not-billable'),
  ('billing.charge_items', 'aborted', 'ChargeItem.status', 'http://hl7.org/fhir/chargeitem-status', 'aborted'),

  ('billing.invoices', 'draft', 'Invoice.status', 'http://hl7.org/fhir/invoice-status', 'draft'),
  ('billing.invoices', 'quoted', 'Invoice.status', 'http://hl7.org/fhir/invoice-status', 'draft'),
  ('billing.invoices', 'issued', 'Invoice.status', 'http://hl7.org/fhir/invoice-status', 'issued'),
  ('billing.invoices', 'partially_paid', 'Invoice.status', 'http://hl7.org/fhir/invoice-status', 'issued'),
  ('billing.invoices', 'paid', 'Invoice.status', 'http://hl7.org/fhir/invoice-status', 'balanced'),
  ('billing.invoices', 'written_off', 'Invoice.status', 'http://hl7.org/fhir/invoice-status', 'balanced'),
  ('billing.invoices', 'credited', 'Invoice.status', 'http://hl7.org/fhir/invoice-status', 'cancelled'),
  ('billing.invoices', 'discarded', 'Invoice.status', 'http://hl7.org/fhir/invoice-status', 'entered-in-error'),

  ('insurance.insurance_claims', 'approved', 'Claim.status', 'http://hl7.org/fhir/fm-status', 'active'),
  ('insurance.insurance_claims', 'cancel_requested', 'Claim.status', 'http://hl7.org/fhir/fm-status', 'active'),
  ('insurance.insurance_claims', 'cancelled', 'Claim.status', 'http://hl7.org/fhir/fm-status', 'cancelled'),
  ('insurance.insurance_claims', 'closed', 'Claim.status', 'http://hl7.org/fhir/fm-status', 'active'),
  ('insurance.insurance_claims', 'dispatch_failed', 'Claim.status', 'http://hl7.org/fhir/fm-status', 'active'),
  ('insurance.insurance_claims', 'draft', 'Claim.status', 'http://hl7.org/fhir/fm-status', 'draft'),
  ('insurance.insurance_claims', 'expired', 'Claim.status', 'http://hl7.org/fhir/fm-status', 'active'),
  ('insurance.insurance_claims', 'lapsed', 'Claim.status', 'http://hl7.org/fhir/fm-status', 'active'),
  ('insurance.insurance_claims', 'paid', 'Claim.status', 'http://hl7.org/fhir/fm-status', 'active'),
  ('insurance.insurance_claims', 'partially_approved', 'Claim.status', 'http://hl7.org/fhir/fm-status', 'active'),
  ('insurance.insurance_claims', 'queried', 'Claim.status', 'http://hl7.org/fhir/fm-status', 'active'),
  ('insurance.insurance_claims', 'ready', 'Claim.status', 'http://hl7.org/fhir/fm-status', 'active'),
  ('insurance.insurance_claims', 'rejected', 'Claim.status', 'http://hl7.org/fhir/fm-status', 'active'),
  ('insurance.insurance_claims', 'reprocess_requested', 'Claim.status', 'http://hl7.org/fhir/fm-status', 'active'),
  ('insurance.insurance_claims', 'resubmitted', 'Claim.status', 'http://hl7.org/fhir/fm-status', 'active'),
  ('insurance.insurance_claims', 'submitted', 'Claim.status', 'http://hl7.org/fhir/fm-status', 'active'),
  ('insurance.insurance_claims', 'superseded', 'Claim.status', 'http://hl7.org/fhir/fm-status', 'active'),
  ('insurance.insurance_claims', 'utilised', 'Claim.status', 'http://hl7.org/fhir/fm-status', 'active')
on conflict (machine, state) do nothing;

grant select on core.fhir_status_map to kernel_app, kernel_ro;
