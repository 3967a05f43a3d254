-- blood_bank.donor_deferrals: why and until when a donor may not give. Append-only: a deferral lapses by its date, and
-- one that was entered by mistake is answered by a donor who is screened again after it.

create table blood_bank.donor_deferrals (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  donor_id uuid not null,
  reason_code text not null,
  reason_text text,
  kind text not null,
  from_on date not null,
  until_on date,
  recorded_by uuid not null,
  counselled boolean not null default false,
  source text not null,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  constraint donor_deferrals_pkey primary key (tenant_id, id),
  constraint donor_deferrals_kind_check check (kind in ('temporary', 'permanent')),
  constraint donor_deferrals_source_check check (source in ('screening', 'tti', 'post_donation', 'lookback')),
  constraint donor_deferrals_temporary_has_end check ((kind = 'permanent') = (until_on is null)),
  constraint donor_deferrals_end_after_start check (until_on > from_on)
);

alter table blood_bank.donor_deferrals add constraint donor_deferrals_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table blood_bank.donor_deferrals add constraint donor_deferrals_donor_fkey
  foreign key (tenant_id, donor_id) references blood_bank.donors (tenant_id, id);
alter table blood_bank.donor_deferrals add constraint donor_deferrals_recorded_by_fkey
  foreign key (tenant_id, recorded_by) references workforce.staff (tenant_id, id);

create unique index donor_deferrals_once_key on blood_bank.donor_deferrals (tenant_id, donor_id, from_on, reason_code, source);
create index donor_deferrals_recorded_by_idx on blood_bank.donor_deferrals (tenant_id, recorded_by);

comment on table blood_bank.donor_deferrals is 'class=phi;scope=tenant;owner=lab;fhir=Flag;retention=medical_record;append_only=1;about=Temporary and permanent deferrals.';
comment on column blood_bank.donor_deferrals.donor_id is 'class=phi;about=The donor.';
comment on column blood_bank.donor_deferrals.reason_code is 'class=phi;about=Short code: low_haemoglobin, low_weight, blood_pressure, tti_HIV, travel, ...';
comment on column blood_bank.donor_deferrals.reason_text is 'class=phi;about=What the code does not say.';
comment on column blood_bank.donor_deferrals.kind is 'class=phi;about=temporary or permanent.';
comment on column blood_bank.donor_deferrals.from_on is 'class=phi;about=First day of the deferral.';
comment on column blood_bank.donor_deferrals.until_on is 'class=phi;about=Day from which the donor may be screened again; null when permanent.';
comment on column blood_bank.donor_deferrals.recorded_by is 'class=operational;about=Member of staff who decided.';
comment on column blood_bank.donor_deferrals.counselled is 'class=phi;about=The donor was told why, and what to do.';
comment on column blood_bank.donor_deferrals.source is 'class=phi;about=screening (before the needle), tti (a reactive test), post_donation (the donor called back) or lookback.';
select core.comment_standard_columns('blood_bank.donor_deferrals');

alter table blood_bank.donor_deferrals enable row level security, force row level security;
create policy tenant_isolation on blood_bank.donor_deferrals
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger donor_deferrals_no_aadhaar before insert on blood_bank.donor_deferrals
  for each row execute function core.reject_aadhaar_like('reason_text');
create trigger donor_deferrals_append_only before update or delete on blood_bank.donor_deferrals
  for each row execute function core.refuse_change();
create trigger donor_deferrals_no_truncate before truncate on blood_bank.donor_deferrals
  for each statement execute function core.refuse_change();
select audit.track('blood_bank.donor_deferrals');

grant select on blood_bank.donor_deferrals to lab_app;
grant select on blood_bank.donor_deferrals to lab_ro;
