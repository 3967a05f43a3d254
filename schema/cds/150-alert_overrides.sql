-- cds.alert_overrides: who went on in spite of an alert, with a coded reason that cannot be skipped. One override an alert.
--
-- A hard stop needs a second approver who is somebody else (IM506).

create table cds.alert_overrides (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  alert_id uuid not null,
  user_id uuid not null,
  reason_code text not null,
  reason_text text,
  second_approver_id uuid,
  overridden_at timestamptz not null default now(),
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  constraint alert_overrides_pkey primary key (tenant_id, id),
  constraint alert_overrides_alert_key unique (tenant_id, alert_id),
  constraint alert_overrides_reason_code_check check (
    reason_code in ('benefit_outweighs_risk', 'will_monitor', 'tolerated_before', 'dose_adjusted', 'not_applicable', 'inaccurate_alert', 'patient_choice', 'other')
  ),
  constraint alert_overrides_other_is_explained check (
    reason_code <> 'other' or coalesce(length(btrim(reason_text)), 0) >= 10
  ),
  constraint alert_overrides_approved_by_another check (second_approver_id <> user_id)
);

alter table cds.alert_overrides add constraint alert_overrides_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table cds.alert_overrides add constraint alert_overrides_alert_fkey
  foreign key (tenant_id, alert_id) references cds.alerts (tenant_id, id);
alter table cds.alert_overrides add constraint alert_overrides_user_fkey
  foreign key (tenant_id, user_id) references auth.users (tenant_id, id);
alter table cds.alert_overrides add constraint alert_overrides_second_approver_fkey
  foreign key (tenant_id, second_approver_id) references auth.users (tenant_id, id);

create index alert_overrides_user_idx on cds.alert_overrides (tenant_id, user_id);
create index alert_overrides_second_approver_idx on cds.alert_overrides (tenant_id, second_approver_id)
  where second_approver_id is not null;

comment on table cds.alert_overrides is 'class=phi;scope=tenant;owner=cds;fhir=DetectedIssue.mitigation;retention=medical_record;append_only=1;about=Who overrode an alert, with a coded reason that cannot be skipped.';
comment on column cds.alert_overrides.alert_id is 'class=operational;about=The alert.';
comment on column cds.alert_overrides.user_id is 'class=operational;about=Who overrode it.';
comment on column cds.alert_overrides.reason_code is 'class=phi;about=Why, as a code.';
comment on column cds.alert_overrides.reason_text is 'class=phi;about=Why, in words; required with reason other.';
comment on column cds.alert_overrides.second_approver_id is 'class=operational;about=Who agreed; required for a hard stop.';
comment on column cds.alert_overrides.overridden_at is 'class=operational;about=When.';
select core.comment_standard_columns('cds.alert_overrides');

alter table cds.alert_overrides enable row level security, force row level security;
create policy tenant_isolation on cds.alert_overrides
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger alert_overrides_no_aadhaar before insert on cds.alert_overrides
  for each row execute function core.reject_aadhaar_like('reason_text');
create trigger alert_overrides_second_approver before insert on cds.alert_overrides
  for each row execute function cds.check_second_approver();
create trigger alert_overrides_append_only before update or delete on cds.alert_overrides
  for each row execute function core.refuse_change();
create trigger alert_overrides_no_truncate before truncate on cds.alert_overrides
  for each statement execute function core.refuse_change();
select audit.track('cds.alert_overrides');

grant select on cds.alert_overrides to cds_app, cds_ro;
