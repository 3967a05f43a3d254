import { attackInside } from '@imhotep/engine'
import {
  all,
  columnTag,
  everyTable,
  hasCheck,
  inSchemas,
  nameOf,
  noFinding,
  noRows,
  refuses,
  tagOf,
} from '../checks.ts'
import { fail, notApplicable, pass, type RuleFamily } from '../rule.ts'

const ofTenants = (table: Parameters<typeof tagOf>[0]) => tagOf(table, 'scope') === 'tenant'
const notGlobal = (table: Parameters<typeof tagOf>[0]) => tagOf(table, 'scope') !== 'global'

/** What every regulation rests on. */
export const foundation: RuleFamily = {
  name: 'foundation',
  title: 'Foundation',
  unconfirmedClauses: false,
  rules: [
    {
      id: 'COR-01',
      source: 'H8',
      rule: 'every tenant table has tenant_id uuid not null',
      kind: 'catalogue',
      check: all(
        everyTable('tenant tables', ofTenants, (table) => {
          const column = table.columns.get('tenant_id')
          return column?.type === 'uuid' && column.notNull ? null : 'tenant_id is missing, nullable or of another type'
        }),
        // what a table says of its scope does not let it off
        noFinding(['tenant-column']),
      ),
    },
    {
      id: 'COR-02',
      source: 'H8, C11',
      rule: 'row level security is enabled and forced on every table of tenants, partitions included',
      kind: 'catalogue',
      check: noFinding(['rls-enabled', 'rls-forced'], notGlobal),
    },
    {
      id: 'COR-03',
      source: 'H8',
      rule: 'each of them has the one policy, whose USING and WITH CHECK compare with the tenant of the request',
      kind: 'catalogue',
      check: noFinding(['tenant-policy'], notGlobal),
    },
    {
      id: 'COR-04',
      source: 'H8',
      rule: 'foreign keys between tenant tables carry the tenant on both sides',
      kind: 'catalogue',
      check: noFinding(['foreign-key-carries-tenant', 'tenant-first-in-keys'], notGlobal),
    },
    {
      id: 'COR-05',
      source: 'H8',
      rule: 'no role of an application is superuser, bypasses row level security or owns a table',
      kind: 'catalogue',
      check: all(noFinding(['application-roles']), ({ catalog }) => {
        const grantees = new Set(
          [...catalog.schemas.values(), ...catalog.tables.values(), ...catalog.functions.values()].flatMap(
            ({ owner, grants }) => grants.map(({ grantee }) => grantee).filter((grantee) => grantee !== owner),
          ),
        )
        const roles = [...catalog.roles.values()].filter(({ name }) => grantees.has(name))
        const above = roles.filter(({ superuser, bypassRls }) => superuser || bypassRls)
        return above.length > 0
          ? fail(
              `${roles.length} roles with rights`,
              above.map(({ name }) => `${name} stands above the policies`),
            )
          : pass(`${roles.length} roles with rights in the schemas`)
      }),
    },
    {
      id: 'COR-06',
      source: 'H8',
      rule: "without a context nothing is seen, and no tenant reaches another's rows through tables, views and functions",
      kind: 'behaviour',
      async check({ tx, catalog, tenants }) {
        if (tenants.length < 2) return notApplicable('there are no two active tenants to try it with')
        const { attempts, through } = await attackInside(tx, catalog, { mode: 'quick' })
        if (through.length > 0)
          return fail(
            `${attempts} attempts, ${through.length} got through`,
            through.map(({ object, attempt }) => `${object}: ${attempt}`),
          )
        return pass(`${attempts} attempts, 0 got through`)
      },
    },
    {
      id: 'COR-07',
      source: 'C15',
      rule: 'every foreign key has an index that begins with it',
      kind: 'catalogue',
      check: noFinding(['foreign-key-index']),
    },
    {
      id: 'COR-08',
      source: 'architecture, decision 4',
      rule: 'no column of billing, payment, insurance and inventory is a floating point number',
      kind: 'catalogue',
      check: everyTable('tables', inSchemas('billing', 'payment', 'insurance', 'inventory'), (table) => {
        const floats = [...table.columns.values()].filter(({ type }) => /^(real|double precision)/.test(type))
        return floats.length === 0 ? null : floats.map(({ name }) => name).join(', ')
      }),
    },
    {
      id: 'COR-09',
      source: 'architecture, decision 2',
      rule: 'functions with the rights of their owner pin their search path',
      kind: 'catalogue',
      check: noFinding(['definer-search-path']),
    },
    {
      id: 'COR-10',
      source: 'E8',
      rule: 'every column that is called status and moves has its transition rules and the trigger that enforces them',
      kind: 'catalogue',
      check: all(noFinding(['state-machine-trigger']), async ({ tables, context }) => {
        const machines = new Set(context.facts.machines)
        const withTrigger = tables.flatMap((table) =>
          [...table.triggers.values()]
            .filter((trigger) => trigger.function === 'core.enforce_transition')
            .map((trigger) => trigger.arguments[0] ?? ''),
        )
        const without = withTrigger.filter((machine) => !machines.has(machine))
        if (without.length > 0) return fail('machines without rules', without)
        // the state of reference rows is said by who publishes them
        const unruled = tables.filter(
          (table) =>
            table.columns.has('status') &&
            tagOf(table, 'class') !== 'reference' &&
            ![...table.triggers.values()].some((trigger) => trigger.function === 'core.enforce_transition'),
        )
        if (unruled.length > 0) return fail('columns called status that nothing rules', unruled.map(nameOf))
        return pass(`${withTrigger.length} state machines`)
      }),
    },
    {
      id: 'COR-11',
      source: 'H1',
      rule: 'the installed script is recorded whole, with the checksum of the text that was applied',
      kind: 'data',
      async check({ tx }) {
        const rows = await tx.query<{ version: string; whole: boolean }>(
          `select version, success and checksum = sha256(convert_to(body, 'UTF8')) as whole
           from core.schema_migrations where kind <> 'seed' order by version`,
        )
        if (rows.length === 0) return notApplicable('the schema was not installed by imhotep migrate')
        const broken = rows.filter(({ whole }) => !whole).map(({ version }) => version)
        return broken.length === 0
          ? pass(`${rows.length} migrations applied and recorded`)
          : fail(`${rows.length} migrations, ${broken.length} did not end or are not the recorded text`, broken)
      },
    },
    {
      id: 'COR-12',
      source: 'C17',
      rule: 'demo data is refused on a production database',
      kind: 'behaviour',
      async check(inspection) {
        const { tx } = inspection
        await tx.query(`alter table core.system_settings disable trigger user`)
        await tx.query(`delete from core.system_settings where key = 'core.environment' and tenant_id is null`)
        await tx.query(`select core.set_environment('production')`)
        return refuses({
          attempt: 'core.assert_not_production() on a database marked production',
          statement: 'select core.assert_not_production()',
          with: ['IM006'],
        })(inspection)
      },
    },
    {
      id: 'COR-13',
      source: 'O20',
      rule: 'the balance of a batch in a store is the sum of its movements',
      kind: 'data',
      check: noRows({
        what: 'stock balances',
        of: 'select count(*)::int as n from inventory.stock_balances where tenant_id = $1',
        offending: `
          select b.id::text as offender
          from inventory.stock_balances b
          where b.tenant_id = $1 and b.on_hand <> (
            select coalesce(sum(m.quantity), 0)
            from inventory.stock_movements m
            where m.tenant_id = b.tenant_id and m.store_location_id = b.store_location_id and m.batch_id = b.batch_id
          )
          union all
          select m.batch_id || ' has movements and no balance'
          from inventory.stock_movements m
          where m.tenant_id = $1
          group by m.tenant_id, m.store_location_id, m.batch_id
          having sum(m.quantity) <> 0 and not exists (
            select
            from inventory.stock_balances b
            where b.tenant_id = m.tenant_id and b.store_location_id = m.store_location_id and b.batch_id = m.batch_id
          )`,
      }),
    },
    {
      id: 'COR-14',
      source: 'double entry',
      rule: 'debits equal credits in every transaction and currency of the ledger',
      kind: 'data',
      check: noRows({
        what: 'ledger entries',
        of: 'select count(*)::int as n from billing.ledger_entries where tenant_id = $1',
        offending: `
          select e.txn_id::text as offender
          from billing.ledger_entries e
          where e.tenant_id = $1
          group by e.txn_id, e.currency
          having sum(case e.direction when 'debit' then e.amount else -e.amount end) <> 0`,
      }),
    },
    {
      id: 'COR-15',
      source: 'CGST Rule 46(b)',
      rule: 'issued numbers of a series and fiscal year have no gap and no repeat, and at most 16 characters',
      kind: 'data',
      check: all(
        hasCheck('billing.invoices', /16/, /invoice_number/),
        noRows({
          what: 'issued invoices',
          of: `select count(*)::int as n from billing.invoices where tenant_id = $1 and invoice_number is not null`,
          offending: `
            select concat_ws(' ', n.kind, nullif(n.series, ''), n.fiscal_year) as offender
            from (
              select
                i.kind, i.series, i.fiscal_year, count(*) as issued, count(distinct i.invoice_number) as numbers,
                max(substring(i.invoice_number from '[0-9]+$')::bigint) as last,
                min(substring(i.invoice_number from '[0-9]+$')::bigint) as first
              from billing.invoices i
              where i.tenant_id = $1 and i.invoice_number is not null
              group by i.kind, i.series, i.fiscal_year
            ) as n
            where n.last - n.first + 1 <> n.numbers or n.issued <> n.numbers
              -- the counter knows of a number whose bill is gone
              or exists (
                select
                from core.id_sequences s
                where s.tenant_id = $1 and s.scope = n.kind and s.series = n.series and s.period_key = n.fiscal_year
                  and s.check_algo = 'none' and s.last_value <> n.last
              )`,
        }),
      ),
    },
    {
      id: 'COR-16',
      source: 'H12',
      rule: 'no view of a module reads a table that another service has not granted to its owner',
      kind: 'catalogue',
      async check({ tx, catalog }) {
        const rows = await tx.query<{ view: string; reads: string }>(`
          select distinct v.oid::regclass::text as view, t.oid::regclass::text as reads
          from pg_class v
          join pg_namespace vn on vn.oid = v.relnamespace
          join pg_rewrite r on r.ev_class = v.oid
          join pg_depend d on d.objid = r.oid and d.classid = 'pg_rewrite'::regclass and d.refclassid = 'pg_class'::regclass
          join pg_class t on t.oid = d.refobjid and t.relkind in ('r', 'p')
          join pg_namespace tn on tn.oid = t.relnamespace and tn.nspname !~ '^(pg_|information_schema|core|audit)'
          where v.relkind in ('v', 'm') and tn.oid <> vn.oid
            and v.relowner <> t.relowner
            and not has_table_privilege(v.relowner, t.oid, 'select')
            and not has_any_column_privilege(v.relowner, t.oid, 'select')
            and not exists (
              select from pg_class g, lateral aclexplode(g.relacl) a
              where g.oid = v.oid and (has_table_privilege(a.grantee, t.oid, 'select') or has_any_column_privilege(a.grantee, t.oid, 'select'))
            )`)
        const offenders = rows.map(({ view, reads }) => `${view} reads ${reads}`)
        return offenders.length > 0
          ? fail(`${catalog.views.size} views`, offenders)
          : pass(`${catalog.views.size} views, each reads its own service's tables or what was granted`)
      },
    },
    {
      id: 'COR-17',
      source: 'schema, 2.5',
      rule: 'every table and every column says its class in its comment',
      kind: 'catalogue',
      check: all(
        noFinding(['comments-complete']),
        everyTable(
          'tables',
          (table) => tagOf(table, 'class') !== undefined,
          (table) => {
            const bare = [...table.columns.keys()].filter((column) => columnTag(table, column, 'class') === undefined)
            return bare.length === 0 ? null : `no class: ${bare.join(', ')}`
          },
        ),
      ),
    },
    {
      id: 'COR-18',
      source: 'E5',
      rule: 'rows that are changed offline carry a hybrid logical clock',
      kind: 'data',
      check: noRows({
        what: 'tasks and handovers',
        of: `
          select (select count(*) from tasking.tasks where tenant_id = $1)::int
            + (select count(*) from tasking.handovers where tenant_id = $1)::int as n`,
        offending: `
          select 'tasks ' || id as offender from tasking.tasks
          where tenant_id = $1 and (hlc_physical_us is null or hlc_logical is null or hlc_node is null or vector_clock = '{}')
          union all
          select 'handovers ' || id from tasking.handovers
          where tenant_id = $1 and (hlc_physical_us is null or hlc_logical is null or hlc_node is null or vector_clock = '{}')
          union all
          select 'emr_verifications ' || id from tasking.emr_verifications
          where tenant_id = $1 and (hlc_physical_us is null or hlc_logical is null or hlc_node is null or vector_clock = '{}')`,
      }),
    },
  ],
}
