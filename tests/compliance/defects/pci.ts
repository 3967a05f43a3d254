import type { Defect, Harmless } from './defect.ts'
import { asAdministrator, behindTriggers } from './statements.ts'

export const defects: readonly Defect[] = [
  {
    name: 'a column keeps the security code',
    rule: 'PCI-01',
    sql: `alter table payment.payment_methods add column cvv text;`,
  },
  {
    name: 'a column keeps the card number encrypted',
    rule: 'PCI-01',
    sql: `alter table billing.accounts add column card_number_enc bytea;`,
  },
  {
    name: 'a column keeps the stripe',
    rule: 'PCI-01',
    sql: `alter table payment.payment_attempts add column track2_data bytea;`,
  },
  {
    name: 'a card number stands in a note of a bill',
    rule: 'PCI-02',
    sql: behindTriggers(`
update billing.invoices set cancelled_reason = 'paid with 4111 1111 1111 1111' where id = (select min(id::text)::uuid from billing.invoices);`),
  },
  {
    name: 'a card number stands in the audit log',
    rule: 'PCI-02',
    sql: behindTriggers(`
insert into audit.audit_logs (tenant_id, action, schema_name, table_name, new_values)
values ('da000000-0000-7000-8000-000000000000', 'update', 'billing', 'accounts', '{"note": "5555-5555-5555-4444"}');`),
  },
  {
    name: 'a card number was sent in a message',
    rule: 'PCI-02',
    sql: behindTriggers(
      `update communication.notifications set suppressed_reason = 'card 378282246310005' where id = (select min(id::text)::uuid from communication.notifications);`,
    ),
  },
  {
    name: 'more than four digits of a card may be stored',
    rule: 'PCI-03',
    sql: `
alter table payment.payment_methods drop constraint payment_methods_last4_digits;
alter table payment.payment_methods add constraint payment_methods_last4_digits check (last4 ~ '^[0-9]{4,12}$');`,
  },
  {
    name: 'a token may be the card number',
    rule: 'PCI-03',
    sql: `alter table payment.payment_methods drop constraint payment_methods_token_is_no_card_number;`,
  },
  {
    name: 'the answer of a provider may hold a card number',
    rule: 'PCI-04',
    sql: `alter table payment.payment_attempts drop constraint payment_attempts_no_card_number;`,
  },
  {
    name: 'the reason of a refund may be a card number',
    rule: 'PCI-04',
    sql: `alter table payment.refunds drop constraint refunds_no_card_number;`,
  },
  {
    name: 'a new column takes any words',
    rule: 'PCI-04',
    sql: `alter table payment.payments add column note text;`,
  },
  {
    name: 'nothing is taken for a card number any more',
    rule: 'PCI-04',
    sql: `create or replace function core.looks_like_pan(p_text text) returns boolean language sql immutable as 'select false';`,
  },
  {
    name: 'the clinic may use the payment schema',
    rule: 'PCI-05',
    sql: `grant usage on schema payment to clinical_app;`,
  },
  {
    name: 'billing is a member of the payment service',
    rule: 'PCI-05',
    sql: `grant payment_gateway_app to billing_app;`,
  },
  {
    name: 'everybody may use the payment schema',
    rule: 'PCI-05',
    sql: `grant usage on schema payment to public;`,
  },
  {
    name: 'the lock comes after twenty failures',
    rule: 'PCI-06',
    sql: behindTriggers(`update core.system_settings set value = '20' where key = 'auth.max_failed_attempts';`),
  },
  {
    name: 'an administrator has no confirmed second factor',
    rule: 'PCI-07',
    sql: behindTriggers(`
update auth.users set password_hash = '$scrypt$demo' where primary_role = 'admin';
update auth.mfa_factors set confirmed_at = null where user_id in (select id from auth.users where primary_role = 'admin');`),
  },
  {
    name: 'changes of providers are not logged',
    rule: 'PCI-08',
    sql: `drop trigger audit_update on payment.payment_providers;`,
  },
  {
    name: 'the log of providers writes nothing',
    rule: 'PCI-08',
    sql: `create or replace function audit.log_payment_payment_providers() returns trigger language plpgsql as 'begin return null; end';`,
  },
  {
    name: 'changes of settings are not logged',
    rule: 'PCI-08',
    sql: `alter table core.system_settings disable trigger audit_update;`,
  },
  {
    name: 'only large payments are logged',
    rule: 'PCI-08',
    sql: `
drop trigger audit_update on payment.payments;
create trigger audit_update after update on payment.payments for each row when (new.amount > 1000) execute function audit.log_payment_payments();`,
  },
  {
    name: 'months of the log may be dropped after half a year',
    rule: 'PCI-09',
    sql: `create or replace function audit.drop_expired_partitions(p_keep interval default interval '7 years') returns text[] language plpgsql security definer set search_path = pg_catalog, pg_temp as $$ begin if p_keep < interval '6 months' then raise exception 'too young' using errcode = 'IM006'; end if; return '{}'; end $$;`,
  },
  {
    name: 'sealed rows of this month are gone',
    rule: 'PCI-09',
    sql: behindTriggers(`delete from audit.audit_logs where schema_name = 'payment';`),
  },
  {
    name: 'an application may change the log',
    rule: 'PCI-10',
    sql: `grant update on audit.phi_access_logs to payment_gateway_app;`,
  },
  {
    name: 'the installer may change the log',
    rule: 'PCI-10',
    sql: `drop trigger audit_logs_append_only on audit.audit_logs;`,
  },
  {
    name: 'the seals may be emptied',
    rule: 'PCI-10',
    sql: `drop trigger audit_chain_anchors_no_truncate on audit.audit_chain_anchors;`,
  },
  {
    name: 'the secret of a provider may stand in the row',
    rule: 'PCI-11',
    sql: `alter table payment.payment_providers drop constraint payment_providers_secret_by_reference;`,
  },
  {
    name: 'the secret of a webhook may stand in the row',
    rule: 'PCI-11',
    sql: `alter table webhook.integration_webhooks drop constraint integration_webhooks_secret_by_reference;`,
  },
  {
    name: 'a column keeps a key',
    rule: 'PCI-11',
    sql: `alter table interop.endpoints add column api_key text;`,
  },
  {
    name: 'the configuration of a provider may hold secrets',
    rule: 'PCI-11',
    sql: `alter table payment.payment_providers drop constraint payment_providers_config_without_secrets;`,
  },
  {
    name: 'nothing is redacted',
    rule: 'PCI-12',
    sql: `create or replace function payment.redact(p_value jsonb) returns jsonb language sql immutable as 'select p_value';`,
  },
  {
    name: 'security codes are not redacted',
    rule: 'PCI-12',
    sql: `create or replace function payment.redact(p_value jsonb) returns jsonb language sql immutable as $$ select case when core.looks_like_pan(p_value::text) then '"[redacted]"'::jsonb else p_value end $$;`,
  },
  {
    name: 'an answer was kept with its security code',
    rule: 'PCI-12',
    sql: behindTriggers(
      `update payment.payment_attempts set response_redacted = '{"card": {"cvv": "123"}}' where id = (select min(id::text)::uuid from payment.payment_attempts);`,
    ),
  },
]

export const harmless: readonly Harmless[] = [
  {
    name: 'one more index on payments',
    sql: `create index payments_received_idx on payment.payments (tenant_id, received_at);`,
  },
  {
    name: 'a column of digits that is no card',
    sql: `alter table facility.clinics add column fax_number text;`,
  },
  {
    name: 'a postal code',
    sql: `alter table inventory.suppliers add column pin_code text;`,
  },
  {
    name: 'a column that tracks',
    sql: `alter table inventory.items add column track_expiry boolean not null default true;`,
  },
  {
    name: 'the check of the last digits has another name',
    sql: `alter table payment.payment_methods rename constraint payment_methods_last4_digits to payment_methods_only_four_digits;`,
  },
  {
    name: 'the check against card numbers is two checks',
    sql: `
alter table payment.refunds drop constraint refunds_no_card_number;
alter table payment.refunds add constraint refunds_reason_is_no_card check (not core.looks_like_pan(reason) and not core.looks_like_pan(failure_code));
alter table payment.refunds add constraint refunds_names_no_card check (not core.looks_like_pan(provider_ref) and not core.looks_like_pan(refund_number) and not core.looks_like_pan(idempotency_key));`,
  },
  {
    name: 'a new column that refuses card numbers',
    sql: `alter table payment.payments add column note text constraint payments_note_names_no_card check (not core.looks_like_pan(note));`,
  },
  {
    name: 'a new column with three possible words',
    sql: `alter table payment.payments add column shift text constraint payments_shift_known check (shift in ('early', 'late', 'night'));`,
  },
  {
    name: 'a number that fails the Luhn test',
    sql: behindTriggers(
      `update billing.invoices set cancelled_reason = 'order 4111 1111 1111 1112' where id = (select min(id::text)::uuid from billing.invoices);`,
    ),
  },
  {
    name: 'ids whose digits look like a card number',
    sql: behindTriggers(
      `update communication.notifications set dedupe_key = 'appointment 01a214bf-931c-4111-8111-111111116a4e' where id = (select min(id::text)::uuid from communication.notifications);`,
    ),
  },
  {
    name: 'one more provider',
    sql: asAdministrator(`
insert into payment.payment_providers (tenant_id, code, kind, display, secret_ref)
values ('da000000-0000-7000-8000-000000000000', 'bank', 'netbanking', 'Bank', 'kms://payments/bank');`),
  },
  {
    name: 'a provider is disabled',
    sql: asAdministrator(`
select core.set_reason('the terminal is broken');
update payment.payment_providers set status = 'disabled' where tenant_id = 'da000000-0000-7000-8000-000000000000' and code = 'counter-terminal';`),
  },
  {
    name: 'a role of the payment service',
    sql: `
create role payment_gateway_reports;
grant usage on schema payment to payment_gateway_reports;
grant select on payment.settlements to payment_gateway_reports;`,
  },
  {
    name: 'another schema is opened to the clinic',
    sql: `grant usage on schema cds to billing_app;`,
  },
  {
    name: 'accounts are locked after three failures',
    sql: behindTriggers(`update core.system_settings set value = '3' where key = 'auth.max_failed_attempts';`),
  },
  {
    name: 'one more trigger on payments',
    sql: `create trigger payments_no_aadhaar before insert or update of void_reason on payment.payments for each row execute function core.reject_aadhaar_like('void_reason');`,
  },
  {
    name: 'the triggers of the log are made again',
    sql: `select audit.track('payment.payments');`,
  },
  {
    name: 'a new row of the log',
    sql: asAdministrator(`select audit.log_event('config', 'payment', 'payment_providers', null, 'looked at');`),
  },
  {
    name: 'the log is sealed again',
    sql: asAdministrator(`select audit.seal('audit_logs');`),
  },
  {
    name: 'the check of secrets has another name',
    sql: `alter table payment.payment_providers rename constraint payment_providers_secret_by_reference to payment_providers_secret_elsewhere;`,
  },
  {
    name: 'secrets come from one store only',
    sql: `
alter table webhook.integration_webhooks drop constraint integration_webhooks_secret_by_reference;
alter table webhook.integration_webhooks add constraint integration_webhooks_secret_in_vault check (secret_ref ~ '^vault://');`,
  },
  {
    name: 'a hash of a key',
    sql: `alter table interop.endpoints add column api_key_hash bytea;`,
  },
  {
    name: 'more is redacted',
    sql: `create or replace function payment.redact(p_value jsonb) returns jsonb language sql immutable set search_path = pg_catalog, pg_temp as $$ select case when p_value ? 'id' then jsonb_build_object('id', p_value -> 'id') else '{}' end $$;`,
  },
  {
    name: 'an answer with redacted card data',
    sql: behindTriggers(
      `update payment.payment_attempts set response_redacted = '{"card": {"cvv": "[redacted]", "brand": "RuPay"}}' where id = (select min(id::text)::uuid from payment.payment_attempts);`,
    ),
  },
]
