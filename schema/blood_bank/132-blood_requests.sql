-- blood_bank.blood_requests: a doctor asks for units of one component for a patient.
--
-- units_issued counts the live issues of the request and never passes units_requested; status follows the count. A unit
-- that comes back lowers the count and opens the request again.

create table blood_bank.blood_requests (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  request_number text not null,
  service_request_id uuid,
  patient_id uuid not null,
  encounter_id uuid not null,
  component text not null,
  units_requested smallint not null,
  units_issued smallint not null default 0,
  urgency text not null,
  indication text not null,
  hb_g_dl numeric(4, 1),
  required_by timestamptz not null,
  sample_id uuid,
  requested_by uuid not null,
  consent_id uuid,
  emergency_release_by uuid,
  emergency_release_at timestamptz,
  emergency_reason text,
  status_reason text,
  status text not null default 'requested',
  row_version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint blood_requests_pkey primary key (tenant_id, id),
  constraint blood_requests_request_number_key unique (tenant_id, request_number),
  constraint blood_requests_urgency_check check (
    urgency in ('routine', 'urgent', 'emergency_uncrossmatched', 'massive_transfusion')
  ),
  constraint blood_requests_status_check check (
    status in ('requested', 'accepted', 'rejected', 'cancelled', 'partially_issued', 'fulfilled', 'closed')
  ),
  constraint blood_requests_component_check check (
    component in ('WB', 'PRBC', 'PRBC_SAGM', 'FFP', 'PLT_RDP', 'PLT_SDP', 'CRYO', 'CPP', 'LR_PRBC', 'IRRAD_PRBC')
  ),
  constraint blood_requests_units_requested_check check (units_requested between 1 and 40),
  constraint blood_requests_not_over_issued check (units_issued between 0 and units_requested),
  constraint blood_requests_status_follows_units check (
    case status
      when 'partially_issued' then units_issued between 1 and units_requested - 1
      when 'fulfilled' then units_issued = units_requested
      when 'closed' then true
      else units_issued = 0
    end
  ),
  constraint blood_requests_haemoglobin_can_be check (hb_g_dl between 1 and 30),
  constraint blood_requests_uncrossmatched_needs_a_doctor check (
    urgency <> 'emergency_uncrossmatched' or status in ('requested', 'rejected', 'cancelled')
    or emergency_release_by is not null
  ),
  constraint blood_requests_emergency_release_has_reason check (
    num_nulls(emergency_release_by, emergency_release_at, emergency_reason) in (0, 3)
  ),
  constraint blood_requests_end_has_reason check (
    status not in ('rejected', 'cancelled', 'closed') or status_reason is not null
  )
);

alter table blood_bank.blood_requests add constraint blood_requests_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table blood_bank.blood_requests add constraint blood_requests_service_request_fkey
  foreign key (tenant_id, service_request_id) references clinical.service_requests (tenant_id, id);
alter table blood_bank.blood_requests add constraint blood_requests_patient_fkey
  foreign key (tenant_id, patient_id) references patient.patients (tenant_id, id);
alter table blood_bank.blood_requests add constraint blood_requests_encounter_fkey
  foreign key (tenant_id, encounter_id) references clinical.encounters (tenant_id, id);
alter table blood_bank.blood_requests add constraint blood_requests_sample_fkey
  foreign key (tenant_id, sample_id) references laboratory.samples (tenant_id, id);
alter table blood_bank.blood_requests add constraint blood_requests_requested_by_fkey
  foreign key (tenant_id, requested_by) references workforce.doctors (tenant_id, id);
alter table blood_bank.blood_requests add constraint blood_requests_consent_fkey
  foreign key (tenant_id, consent_id) references compliance.consents (tenant_id, id);
alter table blood_bank.blood_requests add constraint blood_requests_emergency_release_by_fkey
  foreign key (tenant_id, emergency_release_by) references workforce.doctors (tenant_id, id);
-- the table of the units is made before this one
alter table blood_bank.blood_components add constraint blood_components_reserved_for_request_fkey
  foreign key (tenant_id, reserved_for_request_id) references blood_bank.blood_requests (tenant_id, id);

-- the work of the blood bank
create index blood_requests_open_idx on blood_bank.blood_requests (tenant_id, required_by)
  where status in ('requested', 'accepted', 'partially_issued');
create index blood_requests_service_request_idx on blood_bank.blood_requests (tenant_id, service_request_id)
  where service_request_id is not null;
create index blood_requests_patient_idx on blood_bank.blood_requests (tenant_id, patient_id);
create index blood_requests_encounter_idx on blood_bank.blood_requests (tenant_id, encounter_id);
create index blood_requests_sample_idx on blood_bank.blood_requests (tenant_id, sample_id)
  where sample_id is not null;
create index blood_requests_requested_by_idx on blood_bank.blood_requests (tenant_id, requested_by);
create index blood_requests_consent_idx on blood_bank.blood_requests (tenant_id, consent_id)
  where consent_id is not null;
create index blood_requests_emergency_release_by_idx on blood_bank.blood_requests (tenant_id, emergency_release_by)
  where emergency_release_by is not null;

comment on table blood_bank.blood_requests is 'class=phi;scope=tenant;owner=lab;fhir=ServiceRequest;retention=medical_record;about=Request for units of one component for a patient.';
comment on column blood_bank.blood_requests.request_number is 'class=operational;about=Number of the request, series blood_request.';
comment on column blood_bank.blood_requests.service_request_id is 'class=phi;about=Order that asked for the blood.';
comment on column blood_bank.blood_requests.patient_id is 'class=phi;about=The patient who is to receive it.';
comment on column blood_bank.blood_requests.encounter_id is 'class=phi;about=Visit or stay in which it is needed.';
comment on column blood_bank.blood_requests.component is 'class=operational;about=Component that is asked for, in the words of blood_components.component.';
comment on column blood_bank.blood_requests.units_requested is 'class=phi;about=How many units, 1 to 40.';
comment on column blood_bank.blood_requests.units_issued is 'class=phi;about=Units that are out or were given; changed by operations only.';
comment on column blood_bank.blood_requests.urgency is 'class=phi;about=routine, urgent, emergency_uncrossmatched or massive_transfusion.';
comment on column blood_bank.blood_requests.indication is 'class=phi;about=Why the patient needs it.';
comment on column blood_bank.blood_requests.hb_g_dl is 'class=phi;about=Haemoglobin of the patient in g/dL.';
comment on column blood_bank.blood_requests.required_by is 'class=phi;about=When it is needed.';
comment on column blood_bank.blood_requests.sample_id is 'class=phi;about=Sample for grouping and crossmatch.';
comment on column blood_bank.blood_requests.requested_by is 'class=operational;about=Doctor who asks.';
comment on column blood_bank.blood_requests.consent_id is 'class=phi;about=Consent of the patient to the transfusion.';
comment on column blood_bank.blood_requests.emergency_release_by is 'class=operational;about=Doctor who takes the responsibility for units without a compatible crossmatch.';
comment on column blood_bank.blood_requests.emergency_release_at is 'class=phi;about=When that doctor ordered it; what the patient says afterwards counts again.';
comment on column blood_bank.blood_requests.emergency_reason is 'class=phi;about=Why that doctor could not wait.';
comment on column blood_bank.blood_requests.status_reason is 'class=phi;about=Why the request was rejected, cancelled or closed.';
comment on column blood_bank.blood_requests.status is 'class=phi;about=requested, accepted, partially_issued, fulfilled, closed, rejected or cancelled.';
select core.comment_standard_columns('blood_bank.blood_requests');

alter table blood_bank.blood_requests enable row level security, force row level security;
create policy tenant_isolation on blood_bank.blood_requests
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger blood_requests_no_aadhaar before insert or update on blood_bank.blood_requests
  for each row execute function core.reject_aadhaar_like('indication', 'emergency_reason', 'status_reason');
create trigger blood_requests_touch before update on blood_bank.blood_requests
  for each row execute function core.update_updated_at_column('row_version');
create trigger blood_requests_transition before insert or update of status on blood_bank.blood_requests
  for each row execute function core.enforce_transition('blood_bank.blood_requests', 'status');
select audit.track('blood_bank.blood_requests');

insert into core.transition_rules (machine, from_state, to_state, requires_reason, emits_event) values
  ('blood_bank.blood_requests', '', 'requested', false, null),
  ('blood_bank.blood_requests', 'requested', 'accepted', false, null),
  ('blood_bank.blood_requests', 'requested', 'rejected', true, null),
  ('blood_bank.blood_requests', 'requested', 'cancelled', true, null),
  ('blood_bank.blood_requests', 'accepted', 'partially_issued', false, null),
  ('blood_bank.blood_requests', 'accepted', 'fulfilled', false, null),
  ('blood_bank.blood_requests', 'accepted', 'cancelled', true, null),
  ('blood_bank.blood_requests', 'partially_issued', 'fulfilled', false, null),
  ('blood_bank.blood_requests', 'partially_issued', 'accepted', false, null),
  ('blood_bank.blood_requests', 'partially_issued', 'closed', true, null),
  ('blood_bank.blood_requests', 'fulfilled', 'partially_issued', false, null),
  ('blood_bank.blood_requests', 'fulfilled', 'accepted', false, null)
on conflict (machine, from_state, to_state) do nothing;

grant select on blood_bank.blood_requests to lab_app;
grant select on blood_bank.blood_requests to lab_ro;
