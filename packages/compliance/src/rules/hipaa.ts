import type { Table } from '@imhotep/engine'
import {
  all,
  beginRequest,
  columnTag,
  everyTable,
  hasCheck,
  hasClass,
  hasColumns,
  hasFunction,
  hasUnique,
  nameOf,
  noFinding,
  noRows,
  refuses,
  tagOf,
} from '../checks.ts'
import { outcomeOf, rowsOfTenants } from '../inspection.ts'
import { fail, needsPerson, notApplicable, pass, type RuleFamily } from '../rule.ts'

const application = 'imhotep_app'

function isEncrypted(table: Table, column: string): boolean {
  return column.endsWith('_enc') || columnTag(table, column, 'enc') === '1'
}

function sessionUnusedFor(idle: string): string {
  return `
    insert into auth.sessions (tenant_id, user_id, family_id, refresh_hash, ip, user_agent, idle_expires_at, expires_at)
    select u.tenant_id, u.id, core.uuid_v7(), sha256('probe'), '127.0.0.1', 'probe', now() + interval '${idle}', now() + interval '8 hours'
    from auth.users u where u.tenant_id = $1 order by u.id limit 1`
}

/** A change of each kind of data that no rule of its module refuses. */
const loggedChanges = [
  { table: 'patient.patients', change: 'is_vip = not is_vip' },
  { table: 'clinical.encounters', change: `referred_by = 'probe'` },
  { table: 'billing.accounts', change: 'credit_limit = coalesce(credit_limit, 0) + 1' },
] as const

/** What is signed or released, and how to try to change it. */
const signedRecords = [
  { table: 'clinical.medical_records', states: ['signed', 'amended'], change: `title = title || ' changed'` },
  { table: 'clinical.discharge_summaries', states: ['final'], change: `condition_at_discharge = 'changed'` },
  { table: 'clinical.imaging_results', states: ['final'], change: `issued_at = issued_at - interval '1 hour'` },
  { table: 'laboratory.lab_results', states: ['final', 'corrected'], change: `method = 'changed'` },
  {
    table: 'laboratory.diagnostic_reports',
    states: ['final', 'corrected'],
    change: `issued_at = issued_at - interval '1 hour'`,
  },
] as const

/** HIPAA Security and Privacy Rules. */
export const hipaa: RuleFamily = {
  name: 'hipaa',
  title: 'HIPAA Security and Privacy Rules (45 CFR 164)',
  unconfirmedClauses: true,
  rules: [
    {
      id: 'HIP-01',
      source: '164.312(a)(1)',
      rule: 'access control stands on every table of health data',
      kind: 'catalogue',
      check: noFinding(['rls-enabled', 'rls-forced', 'tenant-policy'], hasClass('phi')),
    },
    {
      id: 'HIP-02',
      source: '164.312(a)(2)(i)',
      rule: 'users are told apart, and every row of health data says who wrote it',
      kind: 'catalogue',
      check: all(
        hasUnique('auth.users', ['tenant_id', 'username']),
        everyTable(
          'tables of health data',
          (table) => hasClass('phi')(table) && table.name !== 'audit_archives',
          (table) =>
            ['created_by', 'user_id', 'actor_user_id'].some((column) => table.columns.has(column))
              ? null
              : 'no created_by',
        ),
      ),
    },
    {
      id: 'HIP-03',
      source: '164.312(a)(2)(ii)',
      rule: 'emergency access works, ends, leaves a record to review, and nobody reads as an emergency without it',
      kind: 'behaviour',
      async check(inspection) {
        const [tenant] = inspection.tenants
        const [patient] = await rowsOfTenants<{ id: string }>(
          inspection,
          `select id from patient.patients where tenant_id = $1 and status = 'active' order by id limit 1`,
        )
        if (tenant === undefined || !patient) return notApplicable('there is no patient to try it on')
        const { tx } = inspection
        await beginRequest(inspection, tenant)
        await tx.query(`delete from audit.break_glass_sessions where patient_id = $1 and status = 'open'`, [patient.id])
        await tx.query(`set local app.purpose = 'BTG'`)
        const without = await outcomeOf(inspection, `select audit.log_access('Patient', $1, $1, 'view')`, [patient.id])
        await tx.query(
          `select audit.open_break_glass($1, 'emergency', 'a probe of the compliance check', interval '1 hour')`,
          [patient.id],
        )
        const inside = await outcomeOf(inspection, `select audit.log_access('Patient', $1, $1, 'view')`, [patient.id])
        const [session] = await tx.query<{ id: string }>(
          `select id from audit.break_glass_sessions where patient_id = $1 and status = 'open'`,
          [patient.id],
        )
        if (without === '00000') return fail('a read for the purpose BTG without an open session was logged')
        if (inside !== '00000') return fail(`a read in an open session ended with ${inside}`)
        if (!session) return fail('emergency access left no open session')
        const longer = await outcomeOf(
          inspection,
          `update audit.break_glass_sessions set expires_at = opened_at + interval '25 hours' where id = $1`,
          [session.id],
        )
        if (longer === '00000') return fail('a session may last longer than a day')
        await tx.query('select audit.close_break_glass($1)', [session.id])
        const own = await outcomeOf(inspection, `select audit.review_break_glass($1, 'justified')`, [session.id])
        if (own === '00000') return fail('a user reviews the emergency access of his own')
        return pass(`without a session ${without}, with one logged, longer than a day ${longer}, own review ${own}`)
      },
    },
    {
      id: 'HIP-04',
      source: '164.312(a)(2)(iii)',
      rule: 'a session ends by itself when nobody uses it',
      kind: 'behaviour',
      check: refuses({
        attempt: 'a session that may lie unused for two hours',
        statement: sessionUnusedFor('2 hours'),
        with: ['23514'],
        control: sessionUnusedFor('5 minutes'),
      }),
    },
    {
      id: 'HIP-05',
      source: '164.312(a)(2)(iv)',
      rule: 'columns that are marked as encrypted hold bytes or an envelope, without a plain twin beside them',
      kind: 'catalogue',
      check: everyTable(
        'tables with encrypted columns',
        (table) => [...table.columns.keys()].some((column) => isEncrypted(table, column)),
        (table) => {
          const flaws = [...table.columns.values()]
            .filter(({ name }) => isEncrypted(table, name))
            .flatMap(({ name, type }) => {
              const twin = name.replace(/_enc$/, '')
              return [
                ...(columnTag(table, name, 'enc') === '1' ? [] : [`${name} is not marked`]),
                ...(type === 'bytea' || type === 'jsonb' ? [] : [`${name} is ${type}`]),
                ...(twin !== name && table.columns.has(twin) ? [`${twin} beside ${name}`] : []),
              ]
            })
          return flaws.length === 0 ? null : flaws.join(', ')
        },
      ),
    },
    {
      id: 'HIP-06',
      source: '164.312(a)(2)(iv)',
      rule: 'values of encrypted columns are no readable text',
      kind: 'data',
      async check(inspection) {
        let looked = 0
        const offenders: string[] = []
        for (const table of inspection.tables) {
          if (!table.columns.has('tenant_id')) continue
          for (const { name, type } of table.columns.values()) {
            if (type !== 'bytea' || !isEncrypted(table, name)) continue
            // plain text of some length is printable from end to end, ciphertext never is
            const rows = await rowsOfTenants<{ n: number; plain: number }>(
              inspection,
              `select count(*)::int as n, count(*) filter (where encode(v, 'escape') !~ '\\\\' and length(v) > 8)::int as plain
               from (select "${name}" as v from ${nameOf(table)} where tenant_id = $1 and "${name}" is not null limit 200) as sample`,
            )
            looked += rows.reduce((sum, { n }) => sum + n, 0)
            const plain = rows.reduce((sum, row) => sum + row.plain, 0)
            if (plain > 0) offenders.push(`${nameOf(table)}.${name}: ${plain} readable values`)
          }
        }
        if (looked === 0) return notApplicable('nothing is encrypted yet')
        return offenders.length > 0 ? fail(`${looked} sampled values`, offenders) : pass(`${looked} sampled values`)
      },
    },
    {
      id: 'HIP-07',
      source: '164.312(b)',
      rule: 'every change of health, personal and financial data is logged',
      kind: 'catalogue',
      check: all(noFinding(['audit-coverage'], hasClass('phi', 'pii', 'financial')), async (inspection) => {
        const [tenant] = inspection.tenants
        if (tenant === undefined) return pass('no tenant to try it in')
        const { tx } = inspection
        await beginRequest(inspection, tenant)
        const offenders: string[] = []
        let looked = 0
        for (const { table, change } of loggedChanges) {
          const [row] = await tx.query<{ id: string }>(
            `update ${table} set ${change} where tenant_id = $1 and id = (select id from ${table} where tenant_id = $1 order by id limit 1) returning id`,
            [tenant],
          )
          if (!row) continue
          looked += 1
          const [log] = await tx.query<{ n: number }>(
            `select count(*)::int as n from audit.audit_logs
             where tenant_id = $1 and schema_name || '.' || table_name = $2 and row_id = $3 and action = 'update'
               and actor_user_id is not null and txid = pg_current_xact_id()::text::bigint`,
            [tenant, table, row.id],
          )
          if (log?.n === 0) offenders.push(`a change of ${table} left no row`)
        }
        return offenders.length > 0
          ? fail(`${looked} changes`, offenders)
          : pass(`${looked} changes tried, each logged`)
      }),
    },
    {
      id: 'HIP-08',
      source: '164.312(b)',
      rule: 'a logged read of a record leaves a row with reader, purpose and patient',
      kind: 'behaviour',
      async check(inspection) {
        const [tenant] = inspection.tenants
        const [patient] = await rowsOfTenants<{ id: string }>(
          inspection,
          `select id from patient.patients where tenant_id = $1 order by id limit 1`,
        )
        if (tenant === undefined || !patient) return notApplicable('there is no patient to try it on')
        const { tx } = inspection
        const count = async () =>
          (
            await tx.query<{ n: number }>(
              `select count(*)::int as n from audit.phi_access_logs
               where tenant_id = $1 and patient_id = $2 and user_id is not null and purpose_of_use is not null`,
              [tenant, patient.id],
            )
          )[0]?.n ?? 0
        await beginRequest(inspection, tenant)
        const before = await count()
        await tx.query(`select audit.log_access('Patient', $1, $1, 'view')`, [patient.id])
        return (await count()) === before + 1 ? pass('1 read, 1 row more') : fail('a read left no row')
      },
    },
    {
      id: 'HIP-09',
      source: '164.312(c)(1)',
      rule: 'no application may update, delete or truncate the audit log',
      kind: 'catalogue',
      async check({ tx, catalog }) {
        const rows = await tx.query<{ offender: string }>(`
          select r.rolname || ' ' || p.privilege || ' ' || c.oid::regclass as offender
          from pg_class c
          join pg_namespace n on n.oid = c.relnamespace and n.nspname = 'audit'
          cross join pg_roles r
          cross join (values ('UPDATE'), ('DELETE'), ('TRUNCATE')) as p (privilege)
          where c.relkind in ('r', 'p') and c.relname ~ '^(audit_logs|phi_access_logs|audit_chain_anchors|audit_archives)'
            and r.rolname ~ '_(app|ro)$' and (
              has_table_privilege(r.oid, c.oid, p.privilege)
              or p.privilege = 'UPDATE' and has_any_column_privilege(r.oid, c.oid, p.privilege)
            )`)
        const offenders = rows.map(({ offender }) => offender)
        const looked = [...catalog.tables.values()].filter(({ schema }) => schema === 'audit').length
        return offenders.length > 0 ? fail(`${looked} tables`, offenders) : pass(`${looked} tables and partitions`)
      },
    },
    {
      id: 'HIP-10',
      source: '164.312(c)(1)',
      rule: 'append-only tables refuse changes even to their owner',
      kind: 'behaviour',
      check: all(noFinding(['append-only']), async (inspection) => {
        const offenders: string[] = []
        const tables = inspection.tables.filter((table) => tagOf(table, 'append_only') === '1')
        let looked = 0
        for (const table of tables) {
          const name = nameOf(table)
          const [row] = await inspection.tx.query<{ any: boolean }>(`select exists (select from ${name}) as any`)
          if (row?.any !== true) continue
          looked += 1
          const [column] = table.columns.keys()
          for (const statement of [`delete from ${name}`, `update ${name} set "${column}" = "${column}"`]) {
            const outcome = await outcomeOf(inspection, statement)
            if (outcome !== 'IM006') offenders.push(`${statement} ended with ${outcome}`)
          }
        }
        if (offenders.length > 0) return fail(`${looked} tables with rows`, offenders)
        return looked === 0
          ? notApplicable('no append-only table has a row')
          : pass(`DELETE and UPDATE tried on ${looked} tables with rows`)
      }),
    },
    {
      id: 'HIP-11',
      source: '164.312(c)(2)',
      rule: 'the chain of seals over the audit log is whole and up to date',
      kind: 'data',
      async check(inspection) {
        const breaks: string[] = []
        let seals = 0
        for (const tenant of inspection.tenants) {
          await beginRequest(inspection, tenant)
          for (const log of ['audit_logs', 'phi_access_logs']) {
            const rows = await inspection.tx.query<{ problem: string }>(
              `select to_jsonb(c)::text as problem from audit.verify_chain($1) as c`,
              [log],
            )
            breaks.push(...rows.map(({ problem }) => `${tenant} ${log}: ${problem}`))
            const [open] = await inspection.tx.query<{ n: number }>(
              `select count(*)::int as n from audit.${log} l
               where l.tenant_id = $1 and l.${log === 'audit_logs' ? 'occurred_at' : 'accessed_at'} < now() - interval '2 days'
                 and l.txid >= (select coalesce(max(a.to_txid), 0) from audit.audit_chain_anchors a where a.tenant_id = $1 and a.log_name = $2)
                 and exists (select from audit.audit_chain_anchors a where a.tenant_id = $1)`,
              [tenant, log],
            )
            if (open && open.n > 0) breaks.push(`${tenant} ${log}: ${open.n} rows older than two days under no seal`)
          }
          const [row] = await inspection.tx.query<{ n: number }>(
            'select count(*)::int as n from audit.audit_chain_anchors where tenant_id = $1',
            [tenant],
          )
          seals += row?.n ?? 0
        }
        if (breaks.length > 0) return fail(`${seals} seals`, breaks)
        return seals === 0
          ? notApplicable('nothing is sealed yet: run imhotep audit seal')
          : pass(`${seals} seals recomputed`)
      },
    },
    {
      id: 'HIP-12',
      source: '164.312(d)',
      rule: 'passwords are kept as argon2id or scrypt, and administrators have a second factor',
      kind: 'catalogue',
      check: all(
        hasCheck('auth.users', /password_hash/, /argon2id/),
        noRows({
          what: 'active users',
          of: `select count(*)::int as n from auth.users where tenant_id = $1 and status = 'active'`,
          offending: `
            select u.id::text as offender
            from auth.users u
            where u.tenant_id = $1 and u.status = 'active' and (u.primary_role::text = 'admin' or u.mfa_required) and u.password_hash is not null
              and not exists (
                select from auth.mfa_factors f
                where f.tenant_id = u.tenant_id and f.user_id = u.id and f.confirmed_at is not null and f.disabled_at is null
              )`,
        }),
      ),
    },
    {
      id: 'HIP-13',
      source: '164.312(e)(1)',
      rule: 'from outside the server takes encrypted connections only',
      kind: 'catalogue',
      async check({ tx }) {
        const [server] = await tx.query<{ ssl: string; listens: string; plain: number }>(`
          select current_setting('ssl') as ssl, current_setting('listen_addresses') as listens,
            (select count(*)::int from pg_hba_file_rules where type in ('host', 'hostnossl') and coalesce(address, '') not in ('127.0.0.1', '::1', 'localhost', 'samehost')) as plain`)
        const local = (server?.listens ?? '')
          .split(',')
          .every((address) => ['localhost', '127.0.0.1', '::1', ''].includes(address.trim()))
        if (local) return pass('the server listens on the loopback only')
        return server?.ssl === 'on' && server.plain === 0
          ? pass('ssl is on, and pg_hba has no plain line for addresses outside')
          : fail(`ssl ${server?.ssl}, ${server?.plain} plain lines in pg_hba for addresses outside`)
      },
    },
    {
      id: 'HIP-14',
      source: '164.316(b)(2)(i)',
      rule: 'audit and access logs are kept at least six years (here seven)',
      kind: 'data',
      check: all(
        refuses({
          attempt: 'dropping months of the log that are younger than seven years',
          statement: `select audit.drop_expired_partitions(interval '6 years')`,
          with: ['IM006'],
        }),
        hasCheck('compliance.retention_policies', /audit/, /7 years/),
      ),
    },
    {
      id: 'HIP-15',
      source: '164.528',
      rule: 'disclosures carry their recipient and basis, and can be accounted for',
      kind: 'behaviour',
      check: all(
        hasColumns({
          'audit.phi_access_logs': ['recipient', 'legal_basis', 'purpose_of_use!', 'patient_id', 'accessed_at!'],
        }),
        refuses(
          {
            attempt: 'a disclosure without a recipient',
            statement: `select audit.log_disclosure('Patient', null, null, null, 'consent')`,
            with: ['23514'],
            control: `select audit.log_disclosure('Patient', null, null, 'a payer', 'consent')`,
          },
          {
            attempt: 'a disclosure without a basis',
            statement: `select audit.log_disclosure('Patient', null, null, 'a payer', null)`,
            with: ['23514'],
          },
        ),
        async (inspection) => {
          const [tenant] = inspection.tenants
          const [patient] = await rowsOfTenants<{ id: string }>(
            inspection,
            `select id from patient.patients where tenant_id = $1 order by id limit 1`,
          )
          if (tenant === undefined || !patient) return notApplicable('there is no patient to try it on')
          await beginRequest(inspection, tenant)
          await inspection.tx.query(`select audit.log_disclosure('Patient', $1, $1, 'a probe', 'consent')`, [
            patient.id,
          ])
          const [account] = await inspection.tx.query<{ n: number }>(
            `select count(*)::int as n from compliance.disclosure_accounting($1) where recipient = 'a probe'`,
            [patient.id],
          )
          return account?.n === 1
            ? pass('a disclosure is in the account of the patient')
            : fail('a disclosure is missing in the account of the patient')
        },
      ),
    },
    {
      id: 'HIP-16',
      source: '164.308(a)(1)(ii)(D)',
      rule: 'the figures for the review of activity are as fresh as the last seal, less than 24 hours',
      kind: 'data',
      check: noRows({
        what: 'tenants with seals',
        of: `select (count(*) > 0)::int as n from audit.audit_chain_anchors where tenant_id = $1`,
        offending: `
          select min(tenant_id::text) as offender
          from audit.audit_chain_anchors
          where tenant_id = $1
          having count(*) > 0 and max(sealed_at) < now() - interval '24 hours'
            and exists (select from audit.audit_logs l where l.tenant_id = $1 and l.occurred_at > now() - interval '24 hours')`,
      }),
    },
    {
      id: 'HIP-17',
      source: '164.308(a)(3)(ii)(C)',
      rule: 'nobody who has left has an active account or session',
      kind: 'data',
      check: noRows({
        what: 'members of staff with an account',
        of: `select count(*)::int as n from workforce.staff where tenant_id = $1 and user_id is not null`,
        offending: `
          select s.id::text as offender
          from workforce.staff s
          join auth.users u on u.tenant_id = s.tenant_id and u.id = s.user_id
          where s.tenant_id = $1 and s.status = 'left'
            and (u.status = 'active' or exists (
              select from auth.sessions x
              where x.tenant_id = u.tenant_id and x.user_id = u.id and x.revoked_at is null and x.expires_at > now()
            ))
          union
          select x.user_id::text
          from auth.sessions x
          join auth.users u on u.tenant_id = x.tenant_id and u.id = x.user_id
          where x.tenant_id = $1 and x.revoked_at is null and x.expires_at > now() and u.status = 'deactivated'`,
      }),
    },
    {
      id: 'HIP-18',
      source: '164.308(a)(5)(ii)(C)',
      rule: 'failed sign-ins are logged and lock the account',
      kind: 'behaviour',
      async check(inspection) {
        const [tenant] = inspection.tenants
        const [user] = await rowsOfTenants<{ id: string }>(
          inspection,
          `select id from auth.users where tenant_id = $1 and status = 'active' order by id limit 1`,
        )
        if (tenant === undefined || !user) return notApplicable('there is no active user to try it with')
        const { tx } = inspection
        await beginRequest(inspection, tenant)
        for (let attempt = 0; attempt < 10; attempt += 1)
          await tx.query(`select * from auth.record_sign_in($1, false, null)`, [user.id])
        const [row] = await tx.query<{ locked: boolean; logged: number }>(
          `select status = 'locked' or locked_until > now() as locked,
             (select count(*)::int from audit.audit_logs where tenant_id = $1 and row_id = $2 and 'failed_attempts' = any (changed_columns)) as logged
           from auth.users where tenant_id = $1 and id = $2`,
          [tenant, user.id],
        )
        if (row?.locked !== true) return fail('ten failed sign-ins did not lock the account', [user.id])
        return row.logged > 0
          ? pass(`locked after ten failures, ${row.logged} rows in the log`)
          : fail('failed sign-ins left no row', [user.id])
      },
    },
    {
      id: 'HIP-19',
      source: '164.502(b)',
      rule: 'the application of a service reads encrypted columns of its own service only',
      kind: 'catalogue',
      async check({ tx, tables }) {
        const owners = new Map(tables.map((table) => [nameOf(table), tagOf(table, 'owner') ?? '']))
        const encrypted = tables.flatMap((table) =>
          [...table.columns.keys()]
            .filter((name) => columnTag(table, name, 'enc') === '1')
            .map((name) => ({ table: nameOf(table), name })),
        )
        const offenders: string[] = []
        for (const { table, name } of encrypted) {
          const rows = await tx.query<{ role: string }>(
            `select rolname as role from pg_roles
             where rolname ~ '_app$' and rolname <> $4 and has_column_privilege(oid, $1::regclass, $2, 'SELECT') and rolname <> $3 || '_app'`,
            [table, name, owners.get(table) ?? '', application],
          )
          offenders.push(...rows.map(({ role }) => `${role} reads ${table}.${name}`))
        }
        return offenders.length > 0
          ? fail(`${encrypted.length} encrypted columns`, offenders)
          : pass(`${encrypted.length} encrypted columns`)
      },
    },
    {
      id: 'HIP-20',
      source: '164.514',
      rule: 'the role for analytics reads no table of health data and no direct identifier',
      kind: 'catalogue',
      async check({ tx, tables }) {
        const looked = tables.filter(hasClass('phi', 'pii'))
        const rows = await tx.query<{ name: string }>(
          `select t as name from unnest($1::text[]) as t
           where has_table_privilege('analytics_deid', t::regclass, 'SELECT') or has_any_column_privilege('analytics_deid', t::regclass, 'SELECT')`,
          [looked.map(nameOf)],
        )
        return rows.length > 0
          ? fail(
              `${looked.length} tables`,
              rows.map(({ name }) => name),
            )
          : pass(`analytics_deid has no right on ${looked.length} tables of health and personal data`)
      },
    },
    {
      id: 'HIP-21',
      source: '164.308(b)',
      rule: 'an active processor of data has a contract that has not run out',
      kind: 'data',
      check: noRows({
        what: 'active processors',
        of: `select count(*)::int as n from compliance.data_processors where tenant_id = $1 and status = 'active'`,
        offending: `
          select id::text as offender from compliance.data_processors
          where tenant_id = $1 and status = 'active' and (contract_document_id is null or expires_on < current_date)`,
      }),
    },
    {
      id: 'HIP-22',
      source: '164.526',
      rule: 'an amendment keeps what it amends, and what is signed cannot be changed',
      kind: 'behaviour',
      check: all(
        hasColumns({
          'clinical.medical_records': ['amends_id', 'amendment_reason'],
          'clinical.imaging_results': ['amends_id', 'amendment_reason'],
          'clinical.discharge_summaries': ['amends_id'],
          'laboratory.diagnostic_reports': ['amends_id', 'amendment_reason'],
          'laboratory.lab_results': ['supersedes_id', 'amendment_reason'],
        }),
        async (inspection) => {
          const [tenant] = inspection.tenants
          if (tenant === undefined) return notApplicable('there is no active tenant to try it in')
          await beginRequest(inspection, tenant)
          const offenders: string[] = []
          const looked: string[] = []
          for (const { table, states, change } of signedRecords) {
            const [row] = await inspection.tx.query<{ id: string }>(
              `select id from ${table} where tenant_id = $1 and status = any ($2) order by id limit 1`,
              [tenant, states],
            )
            if (!row) continue
            looked.push(table)
            const outcome = await outcomeOf(inspection, `update ${table} set ${change} where id = $1`, [row.id])
            if (!outcome.startsWith('IM')) offenders.push(`a change of ${table} ${row.id} ended with ${outcome}`)
          }
          if (looked.length === 0) return notApplicable('nothing is signed yet')
          return offenders.length > 0
            ? fail(`${looked.length} signed records`, offenders)
            : pass(`a change of what is signed refused in ${looked.join(', ')}`)
        },
      ),
    },
    {
      id: 'HIP-23',
      source: '164.312(c)(1)',
      rule: 'no application may delete health data',
      kind: 'catalogue',
      async check({ tx, tables }) {
        const looked = tables.filter(hasClass('phi'))
        const rows = await tx.query<{ offender: string }>(
          `select r.rolname || ' on ' || t as offender
           from unnest($1::text[]) as t cross join pg_roles r
           where r.rolname ~ '_(app|ro)$' and (has_table_privilege(r.oid, t::regclass, 'DELETE') or has_table_privilege(r.oid, t::regclass, 'TRUNCATE'))`,
          [looked.map(nameOf)],
        )
        const offenders = rows.map(({ offender }) => offender)
        return offenders.length > 0
          ? fail(`${looked.length} tables`, offenders)
          : pass(`${looked.length} tables of health data`)
      },
    },
    {
      id: 'HIP-24',
      source: '164.404-408',
      rule: 'a breach is closed only with everyone told and its cause known',
      kind: 'data',
      check: all(
        hasCheck('compliance.breaches', /closed/, /principals_notified_at/, /root_cause/),
        hasFunction('compliance.open_breach'),
      ),
    },
    {
      id: 'HIP-25',
      source: '164.308(a)(7)',
      rule: 'a backup was restored and checked within the last 90 days',
      kind: 'data',
      async check({ tx }) {
        const [row] = await tx.query<{ last: Date | null }>(
          `select max(ran_at) as last from compliance.compliance_checks where rule_id = 'HIP-25' and outcome = 'pass' and tool_version = 'manual'`,
        )
        if (!row?.last)
          return needsPerson(
            'restore a backup and record it: compliance.record_check with rule HIP-25 and the checksum',
          )
        const days = Math.floor((Date.now() - row.last.getTime()) / 86_400_000)
        return days <= 90 ? pass(`restored ${days} days ago`) : fail(`the last recorded restore was ${days} days ago`)
      },
    },
  ],
}
