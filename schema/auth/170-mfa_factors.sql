-- Second factors and the challenge that is open on each. A factor is disabled, never deleted.

create table auth.mfa_factors (
  tenant_id uuid not null,
  id uuid not null default core.uuid_v7(),
  user_id uuid not null,
  kind text not null,
  secret_enc bytea,
  public_key bytea,
  challenge_hash bytea,
  challenge_expires_at timestamptz,
  challenge_attempts smallint not null default 0,
  confirmed_at timestamptz,
  last_used_at timestamptz,
  disabled_at timestamptz,
  created_at timestamptz not null default now(),
  created_by uuid default core.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  constraint mfa_factors_pkey primary key (tenant_id, id),
  constraint mfa_factors_kind_check check (kind in ('totp', 'webauthn', 'sms_otp', 'recovery_code')),
  constraint mfa_factors_at_most_5_attempts check (challenge_attempts between 0 and 5),
  constraint mfa_factors_challenge_expires check ((challenge_hash is null) = (challenge_expires_at is null))
);

alter table auth.mfa_factors add constraint mfa_factors_tenant_fkey
  foreign key (tenant_id) references core.tenants (id);
alter table auth.mfa_factors add constraint mfa_factors_user_fkey
  foreign key (tenant_id, user_id) references auth.users (tenant_id, id);

create index mfa_factors_user_idx on auth.mfa_factors (tenant_id, user_id);
-- one live factor of a kind; a user may hold several security keys
create unique index mfa_factors_one_per_kind on auth.mfa_factors (tenant_id, user_id, kind)
  where disabled_at is null and kind <> 'webauthn';

comment on table auth.mfa_factors is 'class=operational;scope=tenant;owner=auth;fhir=none;retention=operational;about=Second factors and pending challenges.';
comment on column auth.mfa_factors.user_id is 'class=operational;about=Whose factor it is.';
comment on column auth.mfa_factors.kind is 'class=operational;about=totp, webauthn, sms_otp or recovery_code.';
comment on column auth.mfa_factors.secret_enc is 'class=operational;enc=1;about=Shared secret of a TOTP or the remaining recovery codes, encrypted.';
comment on column auth.mfa_factors.public_key is 'class=operational;about=Public key of a WebAuthn credential (COSE).';
comment on column auth.mfa_factors.challenge_hash is 'class=operational;about=Hash of the challenge or code that was sent and not yet answered.';
comment on column auth.mfa_factors.challenge_expires_at is 'class=operational;about=When the open challenge lapses.';
comment on column auth.mfa_factors.challenge_attempts is 'class=operational;about=Wrong answers to the open challenge, at most 5.';
comment on column auth.mfa_factors.confirmed_at is 'class=operational;about=When the user proved to hold the factor; before that it opens nothing.';
comment on column auth.mfa_factors.last_used_at is 'class=operational;about=Last successful use.';
comment on column auth.mfa_factors.disabled_at is 'class=operational;about=When the factor was switched off.';
select core.comment_standard_columns('auth.mfa_factors');

alter table auth.mfa_factors enable row level security, force row level security;
create policy tenant_isolation on auth.mfa_factors
  using (tenant_id = (select core.current_tenant_id()))
  with check (tenant_id = (select core.current_tenant_id()));

create trigger mfa_factors_touch before update on auth.mfa_factors
  for each row execute function core.update_updated_at_column();
select audit.track('auth.mfa_factors');

grant select, insert, update on auth.mfa_factors to auth_app;
grant select on auth.mfa_factors to auth_ro;
