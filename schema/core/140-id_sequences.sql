-- core.id_sequences: one counter row per tenant, scope, series and period.
-- The row lock makes numbers race-proof; counting inside the caller's transaction makes them gapless. The row with
-- period_key '' describes the series; for a series without a period it is the counter as well.

create table core.id_sequences (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  scope text not null,
  series text not null,
  period text not null default 'none',
  period_key text not null default '',
  prefix text not null default '',
  pad smallint not null default 0,
  check_algo text not null default 'none',
  last_value bigint not null default 0,
  gapless boolean not null default true,
  max_len smallint not null default 64,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint id_sequences_pkey primary key (tenant_id, id),
  constraint id_sequences_series_key unique (tenant_id, scope, series, period_key),
  constraint id_sequences_scope_form check (scope ~ '^[a-z_]{2,30}$'),
  constraint id_sequences_period_known check (period in ('none', 'day', 'month', 'year', 'fiscal_year')),
  constraint id_sequences_check_algo_known check (check_algo in ('none', 'mod10', 'verhoeff', 'mod37_2')),
  constraint id_sequences_pad_range check (pad between 0 and 12),
  constraint id_sequences_counts_up check (last_value >= 0),
  constraint id_sequences_max_len_range check (max_len between 1 and 200)
);

alter table core.id_sequences add constraint id_sequences_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);

comment on table core.id_sequences is 'class=operational;scope=tenant;owner=kernel;fhir=none;retention=operational;about=Counters behind MRNs, appointment numbers, tokens and invoice numbers.';
comment on column core.id_sequences.scope is 'class=operational;about=Kind of number: mrn, appointment, token, invoice.';
comment on column core.id_sequences.series is 'class=operational;about=Series within the scope, such as a clinic''s code or a queue.';
comment on column core.id_sequences.period is 'class=operational;about=When counting starts again: none, day, month, year or fiscal_year.';
comment on column core.id_sequences.period_key is 'class=operational;about=The period of this counter (FY2025-26, 2025-11-21); empty for the row that describes the series.';
comment on column core.id_sequences.prefix is 'class=operational;about=Text before the number; {YYYY}, {YY}, {MM}, {DD} and {FY} are filled in.';
comment on column core.id_sequences.pad is 'class=operational;about=Digits that the number is filled up to with zeros.';
comment on column core.id_sequences.check_algo is 'class=operational;about=Check character behind the number: none, mod10, verhoeff or mod37_2.';
comment on column core.id_sequences.last_value is 'class=operational;about=Last number given out.';
comment on column core.id_sequences.gapless is 'class=operational;about=True when a number may never be missing: then it is taken inside the transaction that uses it.';
comment on column core.id_sequences.max_len is 'class=operational;about=Longest text allowed; longer raises IM552.';

select core.comment_standard_columns('core.id_sequences');

alter table core.id_sequences enable row level security, force row level security;

create policy tenant_isolation on core.id_sequences
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger id_sequences_touch before update on core.id_sequences
  for each row execute function core.update_updated_at_column();

grant select on core.id_sequences to kernel_app, kernel_ro;
