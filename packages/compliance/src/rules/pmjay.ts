import { all, hasCheck, hasTrigger, hasTypes, hasUnique, hasWords, judge, noRows, type Trial } from '../checks.ts'
import { outcomeOf, trial } from '../inspection.ts'
import { fail, pass, type ComplianceRule, type RuleFamily } from '../rule.ts'
import {
  approved,
  authenticate,
  draft,
  encounterWithOpenSummary,
  itemsOf,
  outcomeOfDraft,
  treatAndDischarge,
  withCase,
  type ClaimScenario,
  type Line,
} from './claim-scenario.ts'
import { workflowFields } from './pmjay-fields.ts'

type Check = ComplianceRule['check']

/** Registers the scenario's patient anew with other arguments, after the case that it made was cancelled. */
function registerAgain(scenario: ClaimScenario, backdatedTo: string): Promise<string> {
  const { inspection, encounterId, coverageId, caseId } = scenario
  return trial(inspection, async () => {
    await inspection.tx.query(`select insurance.cancel_case($1, 'probe')`, [caseId])
    return outcomeOf(
      inspection,
      `select insurance.register_case($1, $2, 'PROBE', 'KA', 'KA', 'planned', now() - $3::interval)`,
      [encounterId, coverageId, backdatedTo],
    )
  })
}

const backdates: Check = withCase(async (scenario) =>
  judge([
    ['registered four days back', await registerAgain(scenario, '4 days'), '00000'],
    ['registered six days back', await registerAgain(scenario, '6 days'), 'IM621'],
  ]),
)

const authenticates: Check = withCase(async (scenario) => {
  const { inspection } = scenario
  const preauth = await draft(scenario, [{ package: 'medical' }])
  const submit = 'select insurance.submit_preauth($1)'
  const before = await outcomeOf(inspection, submit, [preauth])
  await authenticate(scenario, 'preauthorization')
  const after = await outcomeOf(inspection, submit, [preauth])
  const claim = await trial(inspection, async () => {
    await treatAndDischarge(scenario)
    const id = await draft(scenario, [{ package: 'free' }], 'claim')
    return outcomeOf(inspection, `select insurance.submit_claim($1, 'probe')`, [id])
  })
  return judge([
    ['a pre-authorisation without authentication', before, 'IM602'],
    ['the same with one', after, '00000'],
    ['a claim that was authenticated for the pre-authorisation only', claim, 'IM602'],
  ])
})

const treatsWithApproval: Check = withCase(async (scenario) => {
  const { inspection, caseId } = scenario
  const { tx } = inspection
  const start = 'select insurance.start_treatment($1)'
  const withDraft = (name: 'medical' | 'free') =>
    trial(inspection, async () => {
      await draft(scenario, [{ package: name }])
      return outcomeOf(inspection, start, [caseId])
    })
  const emergency = await trial(inspection, async () => {
    await tx.query(`update insurance.pmjay_cases set telephonic = true, admission_type = 'emergency' where id = $1`, [
      caseId,
    ])
    return outcomeOf(inspection, start, [caseId])
  })
  const claim = await trial(inspection, async () => {
    await treatAndDischarge(scenario)
    const id = await draft(scenario, [{ package: 'medical' }], 'claim')
    await authenticate(scenario, 'claim')
    return outcomeOf(inspection, `select insurance.submit_claim($1, 'probe')`, [id])
  })
  return judge([
    ['treatment without an approval', await withDraft('medical'), 'IM605'],
    ['treatment with packages that need none', await withDraft('free'), '00000'],
    ['treatment of an emergency registered by telephone', emergency, '00000'],
    ['a claim of a package that was not approved', claim, 'IM605'],
  ])
})

const keepsKindsApart: Check = withCase(async (scenario) =>
  judge([
    [
      'medical beside surgical',
      await outcomeOfDraft(scenario, { package: 'surgical' }, { package: 'medical' }),
      'IM620',
    ],
    [
      'surgical beside an implant',
      await outcomeOfDraft(scenario, { package: 'surgical' }, { package: 'implant' }),
      '00000',
    ],
  ]),
)

const keepsLimits: Check = withCase(async (scenario) => {
  const implants = (n: number): Line => ({ package: 'implant', implant_code: 'PROBE', implant_count: n })
  const stratum = (code: string): Line => ({ package: 'strata', stratification_code: code })
  return judge([
    ['two where one is allowed', await outcomeOfDraft(scenario, { package: 'surgical', quantity: 2 }), 'IM607'],
    [
      'an implant where none is allowed',
      await outcomeOfDraft(scenario, { package: 'surgical', implant_code: 'PROBE', implant_count: 1 }),
      'IM607',
    ],
    ['two implants of two', await outcomeOfDraft(scenario, implants(2)), '00000'],
    ['three implants of two', await outcomeOfDraft(scenario, implants(3)), 'IM607'],
    [
      'a stratum where none is allowed',
      await outcomeOfDraft(scenario, { package: 'surgical', stratification_code: 'A' }),
      'IM607',
    ],
    ['one stratum', await outcomeOfDraft(scenario, stratum('A')), '00000'],
    ['two strata of one', await outcomeOfDraft(scenario, stratum('A'), stratum('B')), 'IM607'],
    ['a cycle where there are none', await outcomeOfDraft(scenario, { package: 'surgical', cycle_no: 1 }), 'IM607'],
    ['the sixth cycle of six', await outcomeOfDraft(scenario, { package: 'cycle', cycle_no: 6 }), '00000'],
    ['the seventh cycle of six', await outcomeOfDraft(scenario, { package: 'cycle', cycle_no: 7 }), 'IM607'],
  ])
})

const reservedIsRefused: Check = withCase(async (scenario) => {
  const { inspection, encounterId, packages } = scenario
  const { tx } = inspection
  const draftAt = (ownership: string) =>
    trial(inspection, async () => {
      await tx.query('update insurance.benefit_packages set govt_reserved = true where id = $1', [packages.medical])
      await tx.query(
        `update facility.clinics c set ownership = $2
         from clinical.encounters e
         where e.id = $1 and c.tenant_id = e.tenant_id and c.id = e.clinic_id`,
        [encounterId, ownership],
      )
      return outcomeOfDraft(scenario, { package: 'medical' })
    })
  return judge([
    ['a reserved package at a private hospital', await draftAt('private'), 'IM607'],
    ['the same at a public one', await draftAt('public'), '00000'],
  ])
})

const enhances: Check = withCase(async (scenario) => {
  const { inspection, packages } = scenario
  const parent = await approved(scenario, { package: 'surgical' })
  const enhanceBy = (name: 'fixed' | 'implant') =>
    outcomeOf(inspection, `select insurance.draft_follow_up($1, 'enhancement', $2::jsonb)`, [
      parent,
      JSON.stringify(itemsOf(packages, [{ package: 'surgical' }, { package: name }])),
    ])
  return judge([
    ['enhancing by a package that may not be', await enhanceBy('fixed'), 'IM606'],
    ['enhancing by one that may be', await enhanceBy('implant'), '00000'],
  ])
})

const claimsNeedGuideline: Check = withCase(async (scenario) => {
  const { inspection, encounterId } = scenario
  const { tx } = inspection
  await treatAndDischarge(scenario)
  const claim = await draft(scenario, [{ package: 'free' }], 'claim')
  await authenticate(scenario, 'claim')
  const trials: Trial[] = []
  for (const status of ['not_checked', 'failed']) {
    const outcome = await trial(inspection, async () => {
      await tx.query(
        `update clinical.discharge_summaries set stg_status = $2, stg_checked_at = now()
         where encounter_id = $1 and status in ('draft', 'in_review')`,
        [encounterId, status],
      )
      return outcomeOf(inspection, `select insurance.submit_claim($1, 'probe')`, [claim])
    })
    trials.push([`a claim while the guideline is ${status}`, outcome, 'IM610'])
  }
  return judge(trials)
}, encounterWithOpenSummary)

/** Numbers of days, hours or minutes in the text of a function; comments do not count. */
const timeLimits = [
  /interval\s*'[^']*\d/i,
  /'[^']*\d[^']*'\s*::\s*interval/i,
  /make_interval\(\s*[\d\s,]*\d\s*\)/i,
  /(years|months|weeks|days|hours|mins|secs)\s*=>\s*\d/i,
  /\d+(\.\d+)?\s*\*\s*interval/i,
  /(current_date|_on|::\s*date)\s*[-+]\s*\d/i,
]

const holdsNoLimit: Check = ({ catalog }) => {
  const functions = [...catalog.functions.values()].filter(({ schema }) => schema === 'insurance')
  const views = [...catalog.views.values()].filter(({ schema }) => schema === 'insurance')
  const texts = [
    ...functions.map(({ name, body }) => ({
      name,
      text: body.replaceAll(/--.*$/gm, '').replaceAll(/\/\*[\s\S]*?\*\//g, ''),
    })),
    ...views.map(({ name, definition }) => ({ name, text: definition })),
  ]
  const offenders = texts
    .filter(({ text }) => timeLimits.some((limit) => limit.test(text)))
    .map(({ name }) => `insurance.${name}`)
  if (functions.length === 0) return fail('there is no function of schema insurance to read')
  const looked = `${functions.length} functions and ${views.length} views`
  return offenders.length > 0 ? fail(looked, offenders) : pass(looked)
}

/** Ayushman Bharat Pradhan Mantri Jan Arogya Yojana. */
export const pmjay: RuleFamily = {
  name: 'pmjay',
  title: 'Ayushman Bharat PM-JAY',
  unconfirmedClauses: false,
  rules: [
    {
      id: 'PMJ-01',
      source: 'NHA, FAQs on claims (TMS)',
      rule: 'registration is dated back no further than the payer allows',
      kind: 'catalogue',
      check: all(hasTrigger('insurance.pmjay_cases', 'insurance.check_backdating'), backdates),
    },
    {
      id: 'PMJ-02',
      source: 'scheme',
      rule: 'nothing is submitted before the beneficiary was authenticated at its stage',
      kind: 'behaviour',
      check: authenticates,
    },
    {
      id: 'PMJ-03',
      source: 'HBP',
      rule: 'no treatment and no claim without approval, unless none is required or it is a registered emergency',
      kind: 'behaviour',
      check: treatsWithApproval,
    },
    {
      id: 'PMJ-04',
      source: 'STG',
      rule: 'every mandatory paper of the guideline is there in what was submitted',
      kind: 'data',
      check: noRows({
        what: 'mandatory papers and answers of submitted cases',
        of: `select count(*)::int as n from (${mandatoryPapers()}) as wanted`,
        offending: `
          select wanted.claim_id || ' lacks ' || wanted.criterion_id as offender
          from (${mandatoryPapers()}) as wanted
          left join lateral (
            select r.outcome, r.waived_by
            from clinical.stg_compliance_results r
            where r.tenant_id = $1 and r.claim_id = wanted.claim_id and r.criterion_id = wanted.criterion_id
            order by r.evaluated_at desc
            limit 1
          ) as last on true
          where not (coalesce(last.outcome in ('pass', 'not_applicable'), false) or last.waived_by is not null)`,
      }),
    },
    {
      id: 'PMJ-05',
      source: 'NHA, FAQs on claims (TMS)',
      rule: 'a file name is used once in a case',
      kind: 'catalogue',
      check: hasUnique('insurance.claim_documents', ['tenant_id', 'case_id', 'filename']),
    },
    {
      id: 'PMJ-06',
      source: 'NHA, FAQs on claims (TMS)',
      rule: 'medical and surgical packages do not stand in one submission',
      kind: 'behaviour',
      check: all(hasTrigger('insurance.insurance_claim_items', 'insurance.check_claim_item'), keepsKindsApart),
    },
    {
      id: 'PMJ-07',
      source: 'scheme',
      rule: 'no more is approved than the wallet has',
      kind: 'data',
      check: noRows({
        what: 'wallets',
        of: 'select count(*)::int as n from insurance.coverages where tenant_id = $1 and balance is not null',
        offending: `
          select 'coverage ' || v.id as offender
          from insurance.coverages v
          cross join lateral (
            select
              coalesce(sum(c.wallet_hold) filter (where c.status in ('approved', 'partially_approved', 'utilised')), 0) as held,
              count(*) filter (where c.total_approved > c.total_claimed) as beyond
            from insurance.coverages w
            join insurance.insurance_claims c on c.tenant_id = w.tenant_id and c.coverage_id = w.id
            where
              w.tenant_id = v.tenant_id and w.payer_id = v.payer_id
              and (w.id = v.id or w.family_id_bidx = v.family_id_bidx)
          ) as claims
          cross join lateral (
            select coalesce(sum(greatest(k.wallet_blocked, k.wallet_used)), 0) as blocked
            from insurance.coverages w
            join insurance.pmjay_cases k on k.tenant_id = w.tenant_id and k.coverage_id = w.id
            where
              w.tenant_id = v.tenant_id and w.payer_id = v.payer_id
              and (w.id = v.id or w.family_id_bidx = v.family_id_bidx)
              and k.status <> 'cancelled' and v.period @> k.registered_at::date
          ) as cases
          where
            v.tenant_id = $1
            and (claims.held > v.balance or claims.beyond > 0 or cases.blocked > v.sum_insured)
          union all
          select 'case ' || k.id
          from insurance.pmjay_cases k
          where
            k.tenant_id = $1 and k.status not in ('paid', 'closed') and k.wallet_blocked <> (
              select coalesce(sum(c.wallet_hold), 0)
              from insurance.insurance_claims c
              where c.tenant_id = k.tenant_id and c.case_id = k.id
            )`,
      }),
    },
    {
      id: 'PMJ-08',
      source: 'HBP',
      rule: 'quantity, implants, strata and cycles stay within the limits of the package',
      kind: 'catalogue',
      check: all(hasTrigger('insurance.insurance_claim_items', 'insurance.check_claim_item'), keepsLimits),
    },
    {
      id: 'PMJ-09',
      source: 'HBP',
      rule: 'packages reserved for public hospitals are claimed by public hospitals only',
      kind: 'data',
      check: all(
        reservedIsRefused,
        noRows({
          what: 'reserved packages',
          of: `
            select count(*)::int as n from insurance.benefit_packages
            where (tenant_id = $1 or tenant_id is null) and govt_reserved`,
          offending: `
            select i.id::text as offender
            from insurance.insurance_claim_items i
            join insurance.benefit_packages b on b.id = i.package_id and b.govt_reserved
            join insurance.insurance_claims c on c.tenant_id = i.tenant_id and c.id = i.claim_id
            join clinical.encounters e on e.tenant_id = c.tenant_id and e.id = c.encounter_id
            join facility.clinics s on s.tenant_id = e.tenant_id and s.id = e.clinic_id
            where i.tenant_id = $1 and c.status <> 'cancelled' and s.ownership <> 'public'`,
        }),
      ),
    },
    {
      id: 'PMJ-10',
      source: 'HBP',
      rule: 'only packages that allow it are enhanced',
      kind: 'behaviour',
      check: enhances,
    },
    {
      id: 'PMJ-11',
      source: 'NHA guidelines on claims',
      rule: "a claim is submitted within the payer's days, or says why it is late",
      kind: 'catalogue',
      check: all(
        hasCheck('insurance.insurance_claims', /submitted_at <= submit_by/, /delay_reason is not null/i),
        hasCheck('insurance.insurance_claims', /claim/, /submitted_at is null/i, /submit_by is not null/i),
      ),
    },
    {
      id: 'PMJ-12',
      source: 'NHA guidelines on claims',
      rule: 'queries of cases are answered in time or lapse, none stays open silently',
      kind: 'data',
      check: noRows({
        what: 'queries of cases',
        of: `
          select count(*)::int as n
          from insurance.payer_queries q
          join insurance.insurance_claims c on c.tenant_id = q.tenant_id and c.id = q.claim_id and c.case_id is not null
          where q.tenant_id = $1`,
        offending: `
          select q.id::text as offender
          from insurance.payer_queries q
          join insurance.insurance_claims c on c.tenant_id = q.tenant_id and c.id = q.claim_id and c.case_id is not null
          where
            q.tenant_id = $1
            and (
              q.status = 'open' and (q.due_at < now() - interval '1 hour' or c.status <> 'queried')
              or q.status in ('answered', 'closed') and coalesce(q.answered_at > q.due_at, true)
              or q.status = 'lapsed' and c.status = 'queried'
            )`,
      }),
    },
    {
      id: 'PMJ-13',
      source: 'H6',
      rule: 'no claim goes out while the guideline of the stay is failed or unchecked',
      kind: 'behaviour',
      check: all(
        hasCheck('clinical.discharge_summaries', /final/, /not_applicable/, /passed/, /waived/),
        claimsNeedGuideline,
      ),
    },
    {
      id: 'PMJ-14',
      source: 'audit of the scheme',
      rule: 'every change of state of a case or submission has its event, and every event its change',
      kind: 'data',
      check: noRows({
        what: 'cases and submissions',
        of: `
          select (
            (select count(*) from insurance.pmjay_cases where tenant_id = $1)
            + (select count(*) from insurance.insurance_claims where tenant_id = $1)
          )::int as n`,
        // whatever the order of events: each state was entered once more than it was left exactly when it is the state now
        offending: `
          select distinct kind || ' ' || id as offender
          from (
            select 'case' as kind, k.id, k.status, s.state, s.net
            from insurance.pmjay_cases k
            left join lateral (
              select x.state, sum(x.step) as net
              from insurance.adjudication_events e
              cross join lateral (values (e.to_status, 1), (e.from_status, -1)) as x (state, step)
              where e.tenant_id = k.tenant_id and e.case_id = k.id and e.claim_id is null and x.state is not null
              group by x.state
            ) as s on true
            where k.tenant_id = $1
            union all
            select 'submission', c.id, c.status::text, s.state, s.net
            from insurance.insurance_claims c
            left join lateral (
              select x.state, sum(x.step) as net
              from insurance.adjudication_events e
              cross join lateral (values (e.to_status, 1), (e.from_status, -1)) as x (state, step)
              where e.tenant_id = c.tenant_id and e.claim_id = c.id and x.state is not null
              group by x.state
            ) as s on true
            where c.tenant_id = $1
          ) as states
          group by kind, id, status
          having
            count(state) = 0 or bool_or(net <> case when state = status then 1 else 0 end)
            or not bool_or(state is not distinct from status)`,
      }),
    },
    {
      id: 'PMJ-15',
      source: 'portability guidelines',
      rule: 'a case from another state carries both states and has the clock of portability',
      kind: 'data',
      check: all(
        hasCheck('insurance.pmjay_cases', /is_portability/, /home_state <> treating_state/),
        noRows({
          what: 'portability cases',
          of: 'select count(*)::int as n from insurance.pmjay_cases where tenant_id = $1 and is_portability',
          offending: `
            select 'case ' || k.id as offender
            from insurance.pmjay_cases k
            join insurance.coverages v on v.tenant_id = k.tenant_id and v.id = k.coverage_id
            join insurance.payers p on p.id = v.payer_id
            where
              k.tenant_id = $1
              and (
                k.is_portability <> (k.home_state <> k.treating_state)
                or k.is_portability and p.scheme = 'PMJAY' and p.portability_settle_days is null
              )
            union all
            select 'submission ' || c.id
            from insurance.insurance_claims c
            join insurance.pmjay_cases k on k.tenant_id = c.tenant_id and k.id = c.case_id
            join insurance.payers p on p.id = c.payer_id
            where
              c.tenant_id = $1
              and insurance.settle_days(c)
                <> case when k.is_portability then coalesce(p.portability_settle_days, p.settle_days) else p.settle_days end`,
        }),
      ),
    },
    {
      id: 'PMJ-16',
      source: 'cashless treatment',
      rule: 'no payment of the patient pays what the package covers',
      kind: 'data',
      check: noRows({
        what: 'payments of bills of cases',
        of: `
          select count(*)::int as n
          from billing.payment_allocations l
          join billing.invoices i on i.tenant_id = l.tenant_id and i.id = l.invoice_id
          join billing.accounts a on a.tenant_id = i.tenant_id and a.id = i.account_id
          join insurance.pmjay_cases k on k.tenant_id = a.tenant_id and k.encounter_id = a.encounter_id
          where l.tenant_id = $1 and k.status <> 'cancelled'`,
        offending: `
          select distinct l.id::text as offender
          from billing.payment_allocations l
          join billing.invoices i on i.tenant_id = l.tenant_id and i.id = l.invoice_id
          join billing.accounts a on a.tenant_id = i.tenant_id and a.id = i.account_id
          join insurance.pmjay_cases k on k.tenant_id = a.tenant_id and k.encounter_id = a.encounter_id
          join insurance.coverages v on v.tenant_id = k.tenant_id and v.id = k.coverage_id
          where
            l.tenant_id = $1 and k.status <> 'cancelled' and l.payment_id is not null and l.reverses_id is null
            and not exists (
              select from billing.payment_allocations r where r.tenant_id = l.tenant_id and r.reverses_id = l.id
            )
            and (
              i.payer_id = v.payer_id
              or exists (
                select
                from billing.invoice_items n
                join billing.charge_items g on g.tenant_id = n.tenant_id and g.invoice_item_id = n.id
                where
                  n.tenant_id = i.tenant_id and n.invoice_id = i.id
                  and (
                    g.package_charge_item_id is not null
                    or exists (
                      select from billing.charge_items m where m.tenant_id = g.tenant_id and m.package_charge_item_id = g.id
                    )
                    or exists (
                      select
                      from insurance.insurance_claims c
                      join insurance.insurance_claim_items t on t.tenant_id = c.tenant_id and t.claim_id = c.id
                      where c.tenant_id = k.tenant_id and c.case_id = k.id and g.id = any (t.charge_item_ids)
                    )
                  )
              )
            )`,
      }),
    },
    {
      id: 'PMJ-17',
      source: 'NHA, FAQs on claims (TMS)',
      rule: 'a beneficiary has one open case',
      kind: 'catalogue',
      check: hasUnique(
        'insurance.pmjay_cases',
        ['tenant_id', 'coverage_id', 'patient_id'],
        /^(?=.*status)(?=.*'paid')(?=.*'closed')(?=.*'cancelled')(?!.*'(registered|under_treatment|discharged|claim_initiated)')/,
      ),
    },
    {
      id: 'PMJ-18',
      source: 'guidelines on implants',
      rule: 'every implant that is claimed has its UDI or a sticker',
      kind: 'data',
      check: noRows({
        what: 'claimed lines with implants',
        of: `
          select count(*)::int as n
          from insurance.insurance_claim_items i
          join insurance.insurance_claims c on c.tenant_id = i.tenant_id and c.id = i.claim_id
          where
            i.tenant_id = $1 and i.implant_count > 0 and c.use = 'claim' and c.case_id is not null
            and c.status not in ('draft', 'ready', 'cancelled')`,
        offending: `
          select claimed.claim_id::text as offender
          from (
            select c.id as claim_id, c.encounter_id, sum(i.implant_count) as implants
            from insurance.insurance_claim_items i
            join insurance.insurance_claims c on c.tenant_id = i.tenant_id and c.id = i.claim_id
            where
              i.tenant_id = $1 and i.implant_count > 0 and c.use = 'claim' and c.case_id is not null
              and c.status not in ('draft', 'ready', 'cancelled')
            group by c.id, c.encounter_id
          ) as claimed
          where claimed.implants > (
            select count(*)
            from clinical.procedures p
            join clinical.implants m on m.tenant_id = p.tenant_id and m.procedure_id = p.id
            where
              p.tenant_id = $1 and p.encounter_id = claimed.encounter_id
              and (m.udi is not null or m.sticker_document_id is not null)
          )`,
      }),
    },
    {
      id: 'PMJ-19',
      source: 'outcome of the stay',
      rule: 'how a patient left covers LAMA, DAMA, transfer, death and absconding',
      kind: 'catalogue',
      check: hasWords('clinical.discharge_summaries', 'discharge_kind', [
        'normal',
        'lama',
        'dama',
        'transfer',
        'death',
        'absconded',
      ]),
    },
    {
      id: 'PMJ-20',
      source: 'scheme, newborns',
      rule: "the case of a newborn names the mother's case",
      kind: 'catalogue',
      check: hasCheck('insurance.pmjay_cases', /not is_newborn/i, /mother_case_id is not null/i),
    },
    {
      id: 'PMJ-21',
      source: 'H4',
      rule: "every field of the scheme's workflow is there with its type",
      kind: 'catalogue',
      check: hasTypes(workflowFields),
    },
    {
      id: 'PMJ-22',
      source: 'maintainability: circulars change the limits',
      rule: 'no time limit of a scheme is written into a function or view',
      kind: 'catalogue',
      check: holdsNoLimit,
    },
  ],
}

/** Mandatory papers and answers that the guidelines of submitted cases asked for when they were submitted. */
function mandatoryPapers(): string {
  return `
    select distinct c.id as claim_id, r.id as criterion_id
    from insurance.insurance_claims c
    join insurance.insurance_claim_items i on i.tenant_id = c.tenant_id and i.claim_id = c.id
    join insurance.benefit_packages b on b.id = i.package_id and b.stg_code is not null
    cross join lateral (
      select g.id
      from clinical.stg_guidelines g
      where
        g.code = b.stg_code and (g.tenant_id = c.tenant_id or g.tenant_id is null) and g.status = 'active'
        and g.effective @> c.submitted_at::date and g.created_at <= c.submitted_at
      order by g.tenant_id nulls last
      limit 1
    ) as guideline
    join clinical.stg_criteria r on
      r.guideline_id = guideline.id and r.mandatory and r.kind in ('document', 'question')
      and r.stage = case c.use when 'claim' then 'claim' else 'preauth' end and r.created_at <= c.submitted_at
    where c.tenant_id = $1 and c.case_id is not null and c.submitted_at is not null and c.status not in ('draft', 'ready')`
}
