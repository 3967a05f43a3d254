import {
  all,
  beginRequest,
  everyTable,
  hasCheck,
  inSchemas,
  nameOf,
  noFinding,
  noRows,
  refuses,
  sameAs,
  tagOf,
  textColumns,
} from '../checks.ts'
import { outcomeOf, rowsOfTenants, trial } from '../inspection.ts'
import { fail, notApplicable, pass, type RuleFamily } from '../rule.ts'
import { hipaa } from './hipaa.ts'

/** Columns for what is never kept after authorisation, and for the number itself. */
const forbiddenName =
  /(^|_)(cvv2?|cvc2?|csc|cid_code|track_?[12](_data)?|track_data|mag_?stripe|pin|pin_block|card_?(no|num|number)|primary_account_number)(_(enc|hash|bidx))?$/
const secretName = /(^|_)(password|passwd|passphrase|secret|api_key|access_key|private_key|client_secret)$/
/** Where words of people and of other systems could carry a card number. */
const scanned = inSchemas('payment', 'billing', 'webhook', 'communication', 'audit')
/** A provider may issue a number like that of a card; the tables take it in one piece only. */
const issuedReference = /^(provider_ref|settlement_ref|utr)$/
/** The number that every processor's test system knows. */
const testNumber = '4111 1111 1111 1111'
/** Rows of a table that are scanned, the newest partitions first. */
const scanLimit = 100_000

/** Payment Card Industry Data Security Standard, the part that a hospital keeps when it stores tokens only. */
export const pci: RuleFamily = {
  name: 'pci',
  title: 'PCI DSS 4.0.1',
  unconfirmedClauses: true,
  rules: [
    {
      id: 'PCI-01',
      source: '3.3.1',
      rule: 'no column is there for a card number, security code, track or PIN',
      kind: 'catalogue',
      check: everyTable(
        'tables',
        () => true,
        (table) => {
          const found = [...table.columns.keys()].filter((column) => forbiddenName.test(column))
          return found.length === 0 ? null : found.join(', ')
        },
      ),
    },
    {
      id: 'PCI-02',
      source: '3.5.1',
      rule: 'no card number stands in a text of payment, billing, webhook, communication and audit',
      kind: 'data',
      async check(inspection) {
        let looked = 0
        const offenders: string[] = []
        for (const table of inspection.tables.filter(scanned)) {
          const columns = textColumns(table).filter((name) => table.schema !== 'payment' || !issuedReference.test(name))
          if (columns.length === 0 || !table.columns.has('tenant_id')) continue
          const text = columns.map((column) => `"${column}"::text`).join(", ' | ', ")
          // a number, not a part of a longer one; the detector is asked about the few rows that have one
          const rows = await rowsOfTenants<{ n: number; found: number }>(
            inspection,
            `select count(*)::int as n, count(*) filter (where t.words ~ '[0-9](?:[ -]?[0-9]){12}' and core.looks_like_pan(t.words))::int as found
             from (select concat(${text}) as words from ${nameOf(table)} where tenant_id = $1 limit ${scanLimit}) as t`,
          )
          looked += rows.reduce((sum, { n }) => sum + n, 0)
          const found = rows.reduce((sum, row) => sum + row.found, 0)
          if (found > 0) offenders.push(`${nameOf(table)}: ${found} rows`)
        }
        if (looked === 0) return notApplicable('there are no rows yet')
        return offenders.length > 0 ? fail(`${looked} rows`, offenders) : pass(`${looked} rows scanned`)
      },
    },
    {
      id: 'PCI-03',
      source: '3.4.1',
      rule: 'of a card at most the last four digits are stored, beside the token of its provider',
      kind: 'catalogue',
      check: all(
        hasCheck('payment.payment_methods', /last4/, /\^\[0-9\]\{4\}\$/),
        hasCheck('payment.payment_methods', /looks_like_pan\(token\)/),
      ),
    },
    {
      id: 'PCI-04',
      source: '3.3',
      rule: 'a card number is refused in every column of the payment schema that holds words; where a provider issues references, as cards show it',
      kind: 'behaviour',
      async check(inspection) {
        const { tx } = inspection
        const offenders: string[] = []
        let looked = 0
        for (const table of inspection.tables.filter(inSchemas('payment'))) {
          const [row] = await tx.query<{ id: string }>(`select id from ${nameOf(table)} order by id limit 1`)
          if (!row) continue
          for (const name of textColumns(table)) {
            looked += 1
            const outcome = await trial(inspection, async () => {
              // past the triggers: what is append-only takes new rows with the same checks
              await tx.query('set local session_replication_role = replica')
              return outcomeOf(
                inspection,
                `update ${nameOf(table)} set "${name}" = ${numberIn(name, table.columns.get(name)?.type ?? '')} where id = $1`,
                [row.id],
              )
            })
            if (outcome !== '23514') offenders.push(`${nameOf(table)}.${name}: ended with ${outcome}`)
          }
        }
        if (looked === 0) return notApplicable('there are no rows to try it on')
        return offenders.length > 0 ? fail(`${looked} columns`, offenders) : pass(`${looked} columns, each refuses it`)
      },
    },
    {
      id: 'PCI-05',
      source: '7.2',
      rule: "only the payment service's roles, and the two that applications log in as, reach the payment schema",
      kind: 'catalogue',
      async check({ tx }) {
        const rows = await tx.query<{ role: string }>(`
          select r.rolname as role
          from pg_roles r
          where not r.rolsuper and r.rolname !~ '^(pg_|payment_gateway_)' and r.rolname not in ('imhotep_app', 'imhotep_ro')
            and (
              has_schema_privilege(r.oid, 'payment', 'USAGE')
              or exists (
                select from pg_class c
                where c.relnamespace = 'payment'::regnamespace and c.relkind in ('r', 'p', 'v') and (
                  has_table_privilege(r.oid, c.oid, 'SELECT, INSERT, UPDATE, DELETE')
                  or has_any_column_privilege(r.oid, c.oid, 'SELECT, INSERT, UPDATE')
                )
              )
            )
          order by r.rolname`)
        const [all] = await tx.query<{ n: number }>(`select count(*)::int as n from pg_roles where rolname !~ '^pg_'`)
        const offenders = rows.map(({ role }) => role)
        return offenders.length > 0 ? fail(`${all?.n} roles`, offenders) : pass(`${all?.n} roles`)
      },
    },
    {
      id: 'PCI-06',
      source: '8.3.4',
      rule: 'an account is locked after at most ten failed sign-ins',
      kind: 'behaviour',
      check: sameAs(hipaa, 'HIP-18'),
    },
    {
      id: 'PCI-07',
      source: '8.4',
      rule: 'administrators have a second factor',
      kind: 'data',
      check: sameAs(hipaa, 'HIP-12'),
    },
    {
      id: 'PCI-08',
      source: '10.2',
      rule: 'every change of a payment table, of a provider and of a setting is logged',
      kind: 'catalogue',
      check: all(
        everyTable(
          'tables of payment, and the settings',
          (table) => table.schema === 'payment' || nameOf(table) === 'core.system_settings',
          (table) => {
            const missing = (['insert', 'update', 'delete'] as const).filter(
              (event) =>
                ![...table.triggers.values()].some(
                  (trigger) =>
                    trigger.function.startsWith('audit.') &&
                    trigger.timing === 'after' &&
                    trigger.events.includes(event) &&
                    trigger.when === null &&
                    trigger.updateColumns.length === 0 &&
                    (trigger.enabled === 'origin' || trigger.enabled === 'always'),
                ),
            )
            return missing.length === 0 ? null : `${missing.join(', ')} not logged`
          },
        ),
        async (inspection) => {
          const [tenant] = inspection.tenants
          const [provider] = await rowsOfTenants<{ id: string }>(
            inspection,
            `select id from payment.payment_providers where tenant_id = $1 order by id limit 1`,
          )
          if (tenant === undefined || !provider) return notApplicable('there is no payment provider to change')
          await beginRequest(inspection, tenant)
          await inspection.tx.query(
            `update payment.payment_providers set display = display || ' probe' where id = $1 and tenant_id = $2`,
            [provider.id, tenant],
          )
          const [row] = await inspection.tx.query<{ n: number }>(
            `select count(*)::int as n from audit.audit_logs
             where tenant_id = $1 and row_id = $2 and 'display' = any (changed_columns)
               and actor_user_id is not null and txid = pg_current_xact_id()::text::bigint`,
            [tenant, provider.id],
          )
          return row && row.n > 0 ? pass('a changed provider was logged') : fail('a changed provider left no row')
        },
      ),
    },
    {
      id: 'PCI-09',
      source: '10.5.1',
      rule: 'logs are kept for twelve months and more, and what was sealed in them can still be read',
      kind: 'data',
      check: all(
        refuses({
          attempt: 'dropping months of the log that are twelve months old',
          statement: `select audit.drop_expired_partitions(interval '12 months')`,
          with: ['IM006'],
        }),
        noRows({
          what: 'seals of the last twelve months',
          of: `select count(*)::int as n from audit.audit_chain_anchors where tenant_id = $1 and sealed_at > now() - interval '12 months'`,
          offending: `
            select a.log_name || ' seal ' || a.seal_no as offender
            from audit.audit_chain_anchors a
            where a.tenant_id = $1 and a.sealed_at > now() - interval '12 months' and a.row_count > (
              case a.log_name
                when 'audit_logs' then (
                  select count(*) from audit.audit_logs l
                  where l.tenant_id = a.tenant_id and l.txid >= a.from_txid and l.txid < a.to_txid
                )
                else (
                  select count(*) from audit.phi_access_logs l
                  where l.tenant_id = a.tenant_id and l.txid >= a.from_txid and l.txid < a.to_txid
                )
              end
            ) + (
              select coalesce(sum(x.row_count), 0)
              from audit.audit_archives x
              where x.tenant_id = a.tenant_id and x.log_name = a.log_name
                and x.first_txid < a.to_txid and x.last_txid >= a.from_txid
            )`,
        }),
      ),
    },
    {
      id: 'PCI-10',
      source: '10.3',
      rule: 'logs are protected from change, by privilege and by trigger',
      kind: 'catalogue',
      check: all(
        sameAs(hipaa, 'HIP-09'),
        noFinding(['append-only'], (table) => table.schema === 'audit' && tagOf(table, 'append_only') === '1'),
        refuses(
          {
            attempt: 'changing a row of the log as the installer',
            statement: `update audit.audit_logs set actor_role = actor_role where tenant_id = $1`,
            with: ['IM006'],
          },
          {
            attempt: 'deleting rows of the log as the installer',
            statement: `delete from audit.audit_logs where tenant_id = $1`,
            with: ['IM006'],
          },
        ),
      ),
    },
    {
      id: 'PCI-11',
      source: '8.6, 6.2',
      rule: 'secrets are named by a reference into a secret store and never kept',
      kind: 'catalogue',
      check: all(
        everyTable(
          'tables with references to secrets',
          (table) => [...table.columns.keys()].some((column) => column.endsWith('secret_ref')),
          (table) => {
            const checks = [...table.constraints.values()].filter(
              ({ kind, validated }) => kind === 'check' && validated,
            )
            const open = [...table.columns.keys()].filter(
              (column) =>
                column.endsWith('secret_ref') &&
                !checks.some(({ definition }) => new RegExp(`\\b${column} ~ '\\^[^']*://`).test(definition)),
            )
            return open.length === 0 ? null : `${open.join(', ')} may hold the secret itself`
          },
        ),
        everyTable(
          'tables',
          () => true,
          (table) => {
            const found = textColumns(table).filter((column) => secretName.test(column))
            return found.length === 0 ? null : found.join(', ')
          },
        ),
        hasCheck('payment.payment_providers', /config/, /client_secret/, /password/),
      ),
    },
    {
      id: 'PCI-12',
      source: '3.2.1',
      rule: 'answers of providers lose account data before they are kept, so that nothing of it has to be dropped',
      kind: 'data',
      check: all(
        async ({ tx }) => {
          const [row] = await tx.query<{ kept: string }>(`select payment.redact($1::text::jsonb)::text as kept`, [
            JSON.stringify({ id: 'kept', card: { number: testNumber, cvv: '123', card_no: '1' }, notes: [testNumber] }),
          ])
          const kept = row?.kept ?? ''
          return kept.includes('kept') &&
            !kept.includes('4111') &&
            !kept.includes('123') &&
            !/"card_no": "1"/.test(kept)
            ? pass('card data given to payment.redact comes out redacted')
            : fail('payment.redact lets card data through')
        },
        answersAreRedacted,
        noRows({
          what: 'answers of providers',
          of: `select count(*)::int as n from payment.payment_attempts where tenant_id = $1`,
          offending: `
            select a.id::text as offender
            from payment.payment_attempts a
            where a.tenant_id = $1 and exists (
              select
              from jsonb_path_query(a.response_redacted, 'strict $.** ? (@.type() == "object").keyvalue()') as part
              where part ->> 'key' ~* '(card.?(no|num)|^pan$|cvv|cvc|track|^pin$|otp|expiry|holder)'
                and part -> 'value' <> '"[redacted]"'
            )`,
        }),
      ),
    },
  ],
}

/** The SQL literal of the test number in a column of the type. */
function numberIn(name: string, type: string): string {
  if (issuedReference.test(name)) return `'${testNumber}'`
  if (type === 'jsonb') return `'{"note": "${testNumber}"}'`
  if (type.endsWith('[]')) return `array['${testNumber}']`
  return `'${testNumber.replaceAll(' ', '')}'`
}

/** What a provider reports about an open intent is stored redacted. */
async function answersAreRedacted(inspection: Parameters<RuleFamily['rules'][number]['check']>[0]) {
  const [intent] = await rowsOfTenants<{ id: string; tenant: string; provider: string }>(
    inspection,
    `select i.id, i.tenant_id as tenant, coalesce(i.provider_id, (
       select p.id from payment.payment_providers p where p.tenant_id = i.tenant_id and p.status = 'active' order by p.id limit 1
     )) as provider
     from payment.payment_intents i
     where i.tenant_id = $1 and i.status in ('created', 'requires_action', 'processing', 'failed') order by i.id limit 1`,
  )
  if (!intent) return pass('no open intent to report about')
  await beginRequest(inspection, intent.tenant)
  await inspection.tx.query(
    `select payment.record_provider_result($1, 'probe', 'declined', $2, p_response => '{"cvv": "987"}')`,
    [intent.provider, intent.id],
  )
  const [row] = await inspection.tx.query<{ kept: string }>(
    `select response_redacted::text as kept from payment.payment_attempts where tenant_id = $1 and provider_ref = 'probe'`,
    [intent.tenant],
  )
  return row?.kept.includes('987') === false
    ? pass('a reported security code was not kept')
    : fail('a reported security code was kept', [intent.id])
}
