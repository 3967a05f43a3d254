import { parseTags, type Table } from '@imhotep/engine'
import { outcomeOf, rowsOfTenants, trial, type Inspection } from './inspection.ts'
import { fail, notApplicable, pass, type ComplianceRule, type RuleFamily, type Verdict } from './rule.ts'

// The few shapes that almost every check has. Each says how much it looked at, and looking at nothing is no pass.

type Check = ComplianceRule['check']

export function nameOf({ schema, name }: { readonly schema: string; readonly name: string }): string {
  return `${schema}.${name}`
}

/** The tag of a table's comment: `class`, `scope`, `fhir`, `retention`, ... */
export function tagOf(table: Table, tag: string): string | undefined {
  return parseTags(table.comment).get(tag)
}

/** The tag of a column's comment. */
export function columnTag(table: Table, column: string, tag: string): string | undefined {
  return parseTags(table.columns.get(column)?.comment ?? null).get(tag)
}

/** The columns that can hold words: text, lists of text, documents. */
export function textColumns(table: Table): string[] {
  return [...table.columns.values()]
    .filter(({ type, generated }) => /^(text|jsonb|character varying|text\[\])/.test(type) && generated === null)
    .map(({ name }) => name)
}

export function hasClass(...classes: readonly string[]): (table: Table) => boolean {
  return (table) => classes.includes(tagOf(table, 'class') ?? '')
}

export function inSchemas(...schemas: readonly string[]): (table: Table) => boolean {
  return (table) => schemas.includes(table.schema)
}

/** Checks one after the other: the first verdict that is no pass decides, else the evidence of all. */
export function all(...checks: readonly Check[]): Check {
  return async (inspection) => {
    const evidence: string[] = []
    for (const check of checks) {
      const verdict = await check(inspection)
      if (verdict.verdict !== 'pass') return verdict
      evidence.push(verdict.evidence)
    }
    return pass(evidence.join('; '))
  }
}

/** Another family asks the same. */
export function sameAs({ rules }: RuleFamily, id: string): Check {
  const rule = rules.find((one) => one.id === id)
  if (!rule) throw new Error(`there is no rule ${id}`)
  return (inspection) => rule.check(inspection)
}

/** Every table that `which` chooses satisfies `flaw` with null; else `flaw` says what is wrong. */
export function everyTable(
  what: string,
  which: (table: Table) => boolean,
  flaw: (table: Table, inspection: Inspection) => string | null,
): Check {
  return (inspection) => {
    const tables = inspection.tables.filter(which)
    const offenders = tables.flatMap((table) => {
      const text = flaw(table, inspection)
      return text === null ? [] : [`${nameOf(table)}: ${text}`]
    })
    return summary(`${tables.length} ${what}`, tables.length, offenders)
  }
}

/** The engine's own rules found nothing, on the tables that `which` chooses (default: all). */
export function noFinding(ruleIds: readonly string[], which: (table: Table) => boolean = () => true): Check {
  return ({ findings, tables, context }) => {
    const chosen = new Set(tables.filter(which).map(nameOf))
    const everything = chosen.size === tables.length
    const offenders = findings
      .filter(
        ({ rule, object }) => ruleIds.includes(rule) && (everything || chosen.has(topName(object, context.catalog))),
      )
      .map(({ rule, message }) => `${rule}: ${message}`)
    return summary(`${chosen.size} tables against ${ruleIds.join(', ')}`, chosen.size, offenders)
  }
}

function topName(object: string | null, catalog: Inspection['catalog']): string {
  const table = catalog.tables.get(object ?? '')
  return table?.partitionOf ? topName(table.partitionOf, catalog) : (object ?? '')
}

/** Each table has the columns; a name that ends with `!` must also be NOT NULL. */
export function hasColumns(wanted: Readonly<Record<string, readonly string[]>>): Check {
  return ({ catalog }) => {
    const offenders: string[] = []
    let looked = 0
    for (const [name, columns] of Object.entries(wanted)) {
      const table = catalog.tables.get(name)
      for (const spec of columns) {
        looked += 1
        const column = table?.columns.get(spec.replace('!', ''))
        if (!column) offenders.push(`${name}.${spec.replace('!', '')} is missing`)
        else if (spec.endsWith('!') && !column.notNull) offenders.push(`${name}.${column.name} may be null`)
      }
    }
    return summary(`${looked} columns of ${Object.keys(wanted).length} tables`, looked, offenders)
  }
}

/** Each table has the columns, each of the type; lengths and precisions may differ. `{table: {type: 'column column'}}`. */
export function hasTypes(wanted: Readonly<Record<string, Readonly<Record<string, string>>>>): Check {
  return ({ catalog }) => {
    const offenders: string[] = []
    let looked = 0
    for (const [name, types] of Object.entries(wanted)) {
      const table = catalog.tables.get(name)
      for (const [type, columns] of Object.entries(types)) {
        for (const column of columns.split(/\s+/)) {
          looked += 1
          const found = table?.columns.get(column)?.type.replace(/\([\d,]+\)/, '')
          if (found === undefined) offenders.push(`${name}.${column} is missing`)
          else if (found !== type) offenders.push(`${name}.${column} is ${found}, not ${type}`)
        }
      }
    }
    return summary(`${looked} columns of ${Object.keys(wanted).length} tables`, looked, offenders)
  }
}

/** A check of the column, or its enumerated type, lists these words; `exactly`: and no other. */
export function hasWords(table: string, column: string, words: readonly string[], exactly = false): Check {
  return ({ catalog }) => {
    const found = catalog.tables.get(table)
    const lists = [...(found?.constraints.values() ?? [])]
      .filter(({ kind, validated, columns }) => kind === 'check' && validated && columns.join() === column)
      .map(({ definition }) => [...definition.matchAll(/'([^']*)'/g)].map(([, word]) => word ?? ''))
    lists.push(catalog.types.get(found?.columns.get(column)?.type ?? '')?.labels ?? [])
    const fits = lists.some(
      (list) => words.every((word) => list.includes(word)) && (!exactly || list.every((word) => words.includes(word))),
    )
    return fits
      ? pass(`${words.length} words of ${table}.${column}`)
      : fail(`${table}.${column} is not limited to the words ${words.join(', ')}`, [`${table}.${column}`])
  }
}

/** The table has a validated check whose definition matches every pattern. */
export function hasCheck(table: string, ...patterns: readonly RegExp[]): Check {
  return ({ catalog }) => {
    const checks = [...(catalog.tables.get(table)?.constraints.values() ?? [])].filter(({ kind }) => kind === 'check')
    const found = checks.find((check) => check.validated && patterns.every((pattern) => pattern.test(check.definition)))
    return found
      ? pass(`check ${found.name} of ${table}`)
      : fail(`no check of ${table} matches ${patterns.join(' and ')}`, [table])
  }
}

/**
 * The table has a unique key or index of exactly these columns (in any order), and where `partial` is given one whose
 * predicate matches it; without `partial` a key for live rows only (deleted_at is null) counts as well.
 */
export function hasUnique(table: string, columns: readonly string[], partial?: RegExp): Check {
  return ({ catalog }) => {
    const wanted = [...columns].toSorted().join()
    const indexes = [...(catalog.tables.get(table)?.indexes.values() ?? [])].filter(
      ({ unique, valid, keys }) =>
        unique &&
        valid &&
        keys
          .map(({ column }) => column ?? '')
          .toSorted()
          .join() === wanted,
    )
    const found = indexes.find(({ predicate }) =>
      partial
        ? predicate !== null && partial.test(predicate)
        : predicate === null || /deleted_at is null/i.test(predicate),
    )
    return found
      ? pass(`unique ${found.name} of ${table}`)
      : fail(`${table} has no unique key of ${columns.join(', ')}${partial ? ` where ${partial}` : ''}`, [table])
  }
}

/** The table has an enabled trigger that calls the function (`schema.name`). */
export function hasTrigger(table: string, fn: string | RegExp): Check {
  return ({ catalog }) => {
    const matches = (name: string) => (typeof fn === 'string' ? name === fn : fn.test(name))
    const found = [...(catalog.tables.get(table)?.triggers.values() ?? [])].find(
      (trigger) => matches(trigger.function) && trigger.enabled !== 'disabled' && trigger.enabled !== 'replica',
    )
    return found ? pass(`trigger ${found.name} of ${table}`) : fail(`no trigger of ${table} calls ${fn}`, [table])
  }
}

/** The column is a foreign key to the table. */
export function hasReference(table: string, column: string, target: string): Check {
  return ({ catalog }) => {
    const found = [...(catalog.tables.get(table)?.constraints.values() ?? [])].find(
      ({ kind, columns, references, validated }) =>
        kind === 'foreign key' && validated && references === target && columns.includes(column),
    )
    return found
      ? pass(`foreign key ${found.name} of ${table}`)
      : fail(`${table}.${column} is no reference to ${target}`, [`${table}.${column}`])
  }
}

/** The function exists (`schema.name`, any arguments). */
export function hasFunction(name: string): Check {
  return ({ catalog }) => {
    const found = [...catalog.functions.values()].find((routine) => nameOf(routine) === name)
    return found ? pass(`function ${name}`) : fail(`there is no function ${name}`, [name])
  }
}

/** The machine has a rule from one state to the other, and the trigger that enforces it. */
export function hasMove(machine: string, from: string, to: string): Check {
  return async (inspection) => {
    const rows = await inspection.tx.query<{ found: boolean }>(
      'select exists (select from core.transition_rules where machine = $1 and from_state = $2 and to_state = $3) as found',
      [machine, from, to],
    )
    if (rows[0]?.found !== true) return fail(`${machine} has no move from ${from} to ${to}`, [machine])
    return hasTrigger(machine, 'core.enforce_transition')(inspection)
  }
}

export interface NoRows {
  /** What `of` counts, for the evidence: 'final results'. */
  readonly what: string
  /** `select count(*)::int as n from .. where tenant_id = $1 ..`: how many rows the rule speaks of. */
  readonly of: string
  /** `select <id text> as offender from .. where tenant_id = $1 ..`: those that break it. */
  readonly offending: string
}

/** No row of any tenant breaks the rule. Without rows the rule has nothing to say yet. */
export function noRows({ what, of, offending }: NoRows): Check {
  return async (inspection) => {
    const counts = await rowsOfTenants<{ n: number }>(inspection, of)
    const looked = counts.reduce((sum, { n }) => sum + n, 0)
    const offenders = (await rowsOfTenants<{ offender: string }>(inspection, offending)).map(({ offender }) => offender)
    if (looked === 0 && offenders.length === 0) return notApplicable(`there are no ${what} yet`)
    return summary(`${looked} ${what}`, looked, offenders)
  }
}

export interface Refusal {
  /** What is tried, for the evidence. */
  readonly attempt: string
  /** Run first, as the installer, in the same savepoint; `$1` is the tenant. */
  readonly given?: readonly string[]
  /** What must be refused; `$1` is the tenant. */
  readonly statement: string
  /** The same but for what the rule forbids: it must succeed, so that the refusal is the rule's and no other's. */
  readonly control?: string
  /** SQLSTATEs that count as the refusal. */
  readonly with: readonly string[]
  /** Database role that tries it. Default: the installer, for rules that hold even for it. */
  readonly as?: string
}

/** Each attempt is refused, in the first active tenant; everything is taken back. */
export function refuses(...refusals: readonly Refusal[]): Check {
  return async (inspection) => {
    const [tenant] = inspection.tenants
    if (tenant === undefined) return notApplicable('there is no active tenant to try it in')
    const offenders: string[] = []
    for (const refusal of refusals) {
      const { refused, control } = await trial(inspection, () => attemptOf(inspection, tenant, refusal))
      if (!refusal.with.includes(refused)) offenders.push(`${refusal.attempt}: ended with ${refused}`)
      if (control !== '00000') offenders.push(`${refusal.attempt}: what is allowed ended with ${control}`)
    }
    return summary(
      `${refusals.length} attempts, each refused: ${refusals.map(({ attempt }) => attempt).join('; ')}`,
      refusals.length,
      offenders,
    )
  }
}

async function attemptOf(
  inspection: Inspection,
  tenant: string,
  refusal: Refusal,
): Promise<{ refused: string; control: string }> {
  const { tx } = inspection
  await beginRequest(inspection, tenant)
  for (const statement of refusal.given ?? []) await tx.query(statement, paramsOf(statement, tenant))
  if (refusal.as !== undefined) await tx.query(`set local role ${refusal.as}`)
  const outcome = (statement: string) => outcomeOf(inspection, statement, paramsOf(statement, tenant))
  return {
    refused: await outcome(refusal.statement),
    control: refusal.control === undefined ? '00000' : await outcome(refusal.control),
  }
}

/** What was tried, what it ended with (an SQLSTATE or a state), and what it must end with. */
export type Trial = readonly [name: string, outcome: string, expected: string]

/** Every trial ended as it must: what is allowed works as well as what is forbidden is refused. */
export function judge(trials: readonly Trial[]): Verdict {
  const offenders = trials
    .filter(([, outcome, expected]) => outcome !== expected)
    .map(([name, outcome, expected]) => `${name}: ended with ${outcome}, not ${expected}`)
  const evidence = trials.map(([name, , expected]) => `${name} ${expected === '00000' ? 'works' : expected}`).join('; ')
  return offenders.length > 0 || trials.length === 0 ? fail(`${trials.length} trials`, offenders) : pass(evidence)
}

/** A request of the tenant's, made by its first user. */
export async function beginRequest({ tx }: Inspection, tenant: string): Promise<void> {
  await tx.query(`select set_config('app.tenant_id', '', true)`)
  await tx.query(
    `select core.begin_request($1, (select u.id from auth.users u where u.tenant_id = $1 order by u.id limit 1), 'auditor', 'HOPERAT', null)`,
    [tenant],
  )
}

function paramsOf(statement: string, tenant: string): string[] {
  return statement.includes('$1') ? [tenant] : []
}

function summary(looked: string, count: number, offenders: readonly string[]): Verdict {
  if (offenders.length > 0) return fail(`${looked}, ${offenders.length} against the rule`, offenders)
  if (count === 0) return fail(`${looked}: the check had nothing to look at`)
  return pass(looked)
}
